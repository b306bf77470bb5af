"""How a camera is asked for its stream: OPTIONS, DESCRIBE, SETUP for each track, PLAY."""

import re
from dataclasses import dataclass

from recorder.rtsp.asking import Asking
from recorder.rtsp.description import AudioTrack, Description, VideoTrack, parse
from recorder.rtsp.messages import OK, Message
from recorder.rtsp.refusals import refusal
from recorder.rtsp.unsuited import Unsuited

_UNAUTHORIZED = 401
_CHANNELS = re.compile(r"interleaved\s*=\s*(\d{1,3})(?:-(\d{1,3}))?", re.IGNORECASE)
_LAST_CHANNEL = 255
_TIMEOUT = re.compile(r"timeout\s*=\s*(\d{1,6})", re.IGNORECASE)
DEFAULT_TIMEOUT_SECONDS = 60
"""RFC 2326, 12.37."""
_ORIGIN = re.compile(r"rtptime\s*=\s*(\d{1,10})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class SetUp:
    """A track that the camera will send."""

    track: VideoTrack | AudioTrack
    channel: int
    reports_channel: int
    origin: int | None
    """The timestamp of the session's beginning. None unless it is known of every track."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """What client and camera agreed upon; packets are on their way."""

    description: Description
    tracks: tuple[SetUp, ...]
    session_id: str
    timeout_seconds: int
    keeps_alive_by: str
    """The method that does nothing else."""


class Handshake:
    """Asks one camera."""

    def __init__(self, asking: Asking, url: str, *, with_audio: bool) -> None:
        """`url` without credentials."""
        self._asking = asking
        self._url = url
        self._with_audio = with_audio
        self.session_id = ""
        self._timeout_seconds = DEFAULT_TIMEOUT_SECONDS

    def run(self) -> Agreement:
        """CameraUnreachable, CameraRefused, PasswordRefused, UnsupportedStream or Unsuited."""
        methods = self._methods()
        description = self._describe()
        tracks = (description.video, *((description.audio,) if description.audio else ()))
        channels = [self._set_up(track, 2 * number) for number, track in enumerate(tracks)]
        if len({channel for pair in channels for channel in pair}) != 2 * len(channels):
            raise Unsuited("The camera sends several tracks on one channel.")
        headers = {"Session": self.session_id, "Range": "npt=0.000-"}
        answer = self._asking.ask("PLAY", description.control, headers)
        origins = _origins(answer.header("rtp-info"), [track.control for track in tracks])
        return Agreement(
            description,
            tuple(SetUp(track, *pair, origin) for track, pair, origin in zip(tracks, channels, origins, strict=True)),
            self.session_id,
            self._timeout_seconds,
            "GET_PARAMETER" if "GET_PARAMETER" in methods else "OPTIONS",
        )

    def _methods(self) -> str:
        answer = self._asking.try_to_ask("OPTIONS", self._url)
        if answer.status == _UNAUTHORIZED:
            raise refusal(answer, "OPTIONS")
        # Any other refusal will come again, in answer to what matters.
        return ",".join(answer.headers.get("public", ())).upper() if answer.status == OK else ""

    def _describe(self) -> Description:
        answer = self._asking.ask("DESCRIBE", self._url, {"Accept": "application/sdp"})
        base = answer.header("content-base") or answer.header("content-location")
        is_usable = base.lower().startswith("rtsp://")
        text = answer.body.decode("utf-8", "surrogateescape")
        return parse(text, base if is_usable else self._url, with_audio=self._with_audio)

    def _set_up(self, track: VideoTrack | AudioTrack, channel: int) -> tuple[int, int]:
        """The channels that the camera uses for it: it may choose others than it was asked for."""
        headers = {"Transport": f"RTP/AVP/TCP;unicast;interleaved={channel}-{channel + 1}"}
        if self.session_id:
            headers["Session"] = self.session_id
        answer = self._asking.ask("SETUP", track.control, headers)
        self._remember_session(answer)
        transport = answer.header("transport")
        found = _CHANNELS.search(transport)
        if found is None:
            if transport and "TCP" not in transport.upper():
                raise Unsuited("The camera doesn't send over the connection itself.")
            return channel, channel + 1
        first = int(found[1])
        second = int(found[2]) if found[2] else first + 1
        if max(first, second) > _LAST_CHANNEL:
            raise Unsuited("The camera names channels that there are not.")
        return first, second

    def _remember_session(self, answer: Message) -> None:
        given, _, parameters = answer.header("session").partition(";")
        self.session_id = given.strip() or self.session_id
        if not self.session_id:
            raise Unsuited("The camera opened no session.")
        timeout = _TIMEOUT.search(parameters)
        if timeout is not None and int(timeout[1]):
            self._timeout_seconds = int(timeout[1])


def _origins(info: str, controls: list[str]) -> list[int | None]:
    """The timestamps that `RTP-Info` (RFC 2326, 12.33) names for the tracks of these addresses."""
    entries = [entry for entry in re.split(r",\s*(?=url\s*=)", info.strip(), flags=re.IGNORECASE) if entry]
    times = [_ORIGIN.search(entry) for entry in entries]
    if len(entries) != len(controls):
        return [None] * len(controls)
    origins: dict[str, int] = {}
    for entry, time in zip(entries, times, strict=True):
        address = entry.partition("=")[2].partition(";")[0].strip().strip('"')
        last = address.rstrip("/").rpartition("/")[2]
        owners = [control for control in controls if control.rstrip("/").rpartition("/")[2] == last]
        if time is None or len(owners) != 1:
            return [None] * len(controls)
        origins[owners[0]] = int(time[1])
    return [origins.get(control) for control in controls] if len(origins) == len(controls) else [None] * len(controls)
