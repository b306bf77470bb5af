"""A camera's stream: opened by libav, read as usable packets, its failures told in the recorder's own words."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from urllib.parse import urlsplit

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream

from camfleet_contract.cameras import RtspTransport
from recorder.addresses import places
from recorder.audio import AudioPolicy
from recorder.errors import (
    CameraError,
    CameraRefused,
    CameraUnreachable,
    PasswordRefused,
    StreamEnded,
    StreamStalled,
    UnsupportedStream,
)
from recorder.liveness import Liveness
from recorder.reader import SHORT_NAP_SECONDS
from recorder.receive_buffers import WANTED_BYTES
from recorder.redaction import redacted
from recorder.samples import Sample
from recorder.tracks import Tracks

OPEN_SECONDS = 10.0
READ_SECONDS = 5.0
"""libav gives up a silent connection after this long, or up to twice as long."""

_WAITED_SECONDS = 0.001
"""A packet that took longer had to be waited for: there was nothing more to read."""

Feed = Callable[[Iterable[Sample], float], bool]
"""Takes what came at once, and when that was (monotonic); False when no more is wanted."""

# Anything else is refused at once, not at the first segment's end: it doesn't fit into MP4, or, like AV1, nobody knows
# whether what libav makes of its RTP packets does.
_VIDEO_CODECS = frozenset({"h264", "hevc", "mjpeg", "mpeg4", "vp9"})

_TIMED_OUT = (av.ExitError, av.TimeoutError)


Transport = RtspTransport


class CameraStream:
    """An open input. Always close it: libav's descriptors leak otherwise."""

    def __init__(self, container: InputContainer, url: str, read_seconds: float, *, may_nap: bool = False) -> None:
        """`may_nap` where the system keeps what comes meanwhile."""
        self._container = container
        self._may_nap = may_nap
        self._interrupted = threading.Event()
        self._url = url
        self._read_seconds = read_seconds
        if not container.streams.video:
            raise UnsupportedStream("The camera sends no video.")
        self.video: VideoStream = container.streams.video[0]
        self.audio: AudioStream | None = container.streams.audio[0] if container.streams.audio else None
        # Of a codec that libav doesn't know there is no context at all.
        self.codec: str = getattr(self.video.codec_context, "name", "unknown")
        if self.codec not in _VIDEO_CODECS:
            raise UnsupportedStream(
                f"The camera sends {_called(self.video)} video, which can't be recorded: set it to H.264 or H.265."
            )

    @classmethod
    def open(
        cls,
        url: str,
        *,
        transport: Transport = Transport.TCP,
        open_seconds: float = OPEN_SECONDS,
        read_seconds: float = READ_SECONDS,
    ) -> "CameraStream":
        """Connect. CameraUnreachable, CameraRefused, PasswordRefused, StreamStalled or UnsupportedStream."""
        options = _RTSP_OPTIONS | _OPTIONS_BY_TRANSPORT[transport] if _is_rtsp(url) else {}
        began = time.monotonic()
        _look_up(url, began + open_seconds)
        try:
            container = av.open(url, mode="r", options=options, timeout=(open_seconds, read_seconds))
        except (av.FFmpegError, OSError, ValueError) as error:
            if isinstance(error, av.InvalidDataError) and time.monotonic() - began >= open_seconds:
                # libav's way of saying that it was accepted and never answered.
                raise CameraUnreachable(f"The camera did not answer within {open_seconds:.0f} s.") from None
            raise _opening_failed(error, url) from None  # the cause's text holds the password
        try:
            return cls(container, url, read_seconds, may_nap=_is_rtsp(url) and transport is Transport.TCP)
        except BaseException:
            container.close()
            raise

    def packets(self) -> Iterator["Packet[Stream]"]:
        """Every packet of the first video and the first audio track, in the order they came.

        Ends only by an error: StreamEnded when the camera ends it, StreamStalled when nothing comes any more, or
        only audio does.
        """
        tracks: list[VideoStream | AudioStream] = [self.video] if self.audio is None else [self.video, self.audio]
        liveness = Liveness(self._read_seconds, time.monotonic())
        try:
            for packet in self._container.demux(*tracks):
                if packet.size == 0:
                    continue  # libav's flush packet; a keyframe without dts is none
                now = time.monotonic()
                if packet.stream_index == self.video.index:
                    liveness.video(now, is_keyframe=packet.is_keyframe)
                else:
                    liveness.audio(now)
                yield packet
        except _TIMED_OUT:
            raise StreamStalled(f"The camera has sent nothing for {self._read_seconds:.0f} s or more.") from None
        except (av.FFmpegError, OSError) as error:
            raise StreamEnded(f"The stream broke off: {_reason(error, self._url)}") from None
        raise StreamEnded("The camera ended the stream.")

    def tracks(self, policy: AudioPolicy) -> Tracks:
        """What of it goes into segments."""
        return Tracks(self.video, self.audio, policy)

    def read(self, feed: Feed, is_settled: Callable[[], bool]) -> None:
        """Hands over every packet with its arrival, until `feed` wants no more; else ends by an error, as `packets`.

        Once the stamps are settled the thread naps when it has read everything that was there: to wake for each
        packet costs more than all the rest.
        """
        waited_since = time.monotonic()
        for packet in self.packets():
            arrival = time.monotonic()
            if not feed((packet,), arrival):
                return
            if self._may_nap and arrival - waited_since > _WAITED_SECONDS and is_settled():
                self._interrupted.wait(SHORT_NAP_SECONDS)
            waited_since = time.monotonic()

    def interrupt(self) -> None:
        """Libav can't be: `read` returns when the next packet comes, or none for too long."""

    def close(self) -> None:
        self._container.close()


def _look_up(url: str, deadline: float) -> None:
    """Find out with a limit whether a name server answers: libav asks it again, with none."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return  # libav says what is wrong with it
    if host and parts.scheme.lower() != "file":
        with suppress(OSError, UnicodeError):
            places(host, port or 0, deadline)


# fpsprobesize: an RTSP open takes 0.7 s instead of 2, since nobody needs the guessed frame rate.
# max_ts_probe: nor does it wait 5 s for the first packet of announced sound that never comes.
# allowed_media_types: ONVIF metadata tracks are not even set up.
_RTSP_OPTIONS = {"fpsprobesize": "0", "max_ts_probe": "0", "allowed_media_types": "video+audio"}


def _called(track: VideoStream) -> str:
    """What the codec is called; libav's decoders have names of their own, such as libdav1d for AV1."""
    context = getattr(track, "codec_context", None)
    return context.codec.canonical_name if context is not None else "unknown"


# What is lost on the way is not waited for longer than libav does by itself: a tenth of a second, or 500 packets.
_OPTIONS_BY_TRANSPORT = {
    Transport.TCP: {"rtsp_transport": "tcp"},
    Transport.UDP: {"rtsp_transport": "udp", "buffer_size": str(WANTED_BYTES)},
}


def _is_rtsp(url: str) -> bool:
    return urlsplit(url).scheme.lower() in {"rtsp", "rtsps"}


# The first that fits.
_REFUSALS: tuple[tuple[tuple[type[Exception], ...], type[CameraError], str], ...] = (
    ((av.HTTPUnauthorizedError, av.HTTPForbiddenError), PasswordRefused, "The camera refused user or password"),
    ((av.HTTPNotFoundError,), CameraRefused, "The camera knows no stream at this path"),
    # 453 Not Enough Bandwidth (RFC 7826, 17.4.33) is how cameras say that they serve no further client.
    ((av.HTTPClientError,), CameraRefused, "The camera refused the stream, perhaps too many clients watch it"),
    ((av.HTTPServerError,), CameraRefused, "The camera failed"),
    (_TIMED_OUT, CameraUnreachable, "The camera did not answer in time"),
    # What isn't RTSP at all ends like this.
    ((av.InvalidDataError,), CameraUnreachable, "What answers there sends no video stream, check the camera's URL"),
    ((Exception,), CameraUnreachable, "The camera can't be reached"),
)


def _opening_failed(error: Exception, url: str) -> CameraError:
    kind, meaning = next((kind, text) for types, kind, text in _REFUSALS if isinstance(error, types))
    return kind(f"{meaning}: {_reason(error, url)}")


def _reason(error: Exception, url: str) -> str:
    text = getattr(error, "strerror", None) or str(error)
    return redacted(text, url=url)
