"""An open session with one camera: its socket, its access units, and what keeps it alive."""

import socket
import time
from typing import Self
from urllib.parse import unquote, urlsplit, urlunsplit

from recorder.addresses import connected
from recorder.errors import CameraUnreachable, StreamEnded
from recorder.redaction import storable
from recorder.rtsp.asking import Asking
from recorder.rtsp.authentication import Authenticator, Credentials
from recorder.rtsp.description import Description, VideoTrack
from recorder.rtsp.h264 import H264
from recorder.rtsp.h265 import H265
from recorder.rtsp.handshake import Agreement, Handshake, SetUp
from recorder.rtsp.messages import Message, request
from recorder.rtsp.pictures import Pictures
from recorder.rtsp.playing import Playing
from recorder.rtsp.rtp import TrackClock
from recorder.rtsp.sounds import G711, Aac, Sounds
from recorder.rtsp.talk import Talk, send_best_effort
from recorder.rtsp.units import AccessUnit
from recorder.rtsp.unsuited import Unsuited

_PORT = 554
_SESSION_NOT_FOUND = 454


class Session:
    """Close it: the camera counts its viewers. After `open` nothing here blocks. Not thread-safe, but for `talk`."""

    def __init__(
        self, connection: socket.socket, agreement: Agreement, authenticator: Authenticator, sequence: int
    ) -> None:
        self.socket = connection
        """Non-blocking. Read from it, and feed what came."""
        self.description: Description = agreement.description
        self.talk = Talk(connection, agreement, authenticator, sequence)
        """What keeps the session alive, from whichever thread."""
        tracks = {each.channel: _depacketizer(each) for each in agreement.tracks}
        self._playing = Playing(tracks, {each.reports_channel: each.channel for each in agreement.tracks}, self._heard)

    @classmethod
    def open(cls, url: str, *, with_audio: bool = True, open_seconds: float = 10.0) -> Self:
        """Connect and begin to play.

        CameraUnreachable, CameraRefused, PasswordRefused or UnsupportedStream as libav's way has it; Unsuited if that
        should be gone.
        """
        deadline = time.monotonic() + open_seconds
        host, port, credentials, bare_url = _target(url)
        connection = _connected(host, port, deadline)
        try:
            authenticator = Authenticator(credentials)
            asking = Asking(connection, authenticator, deadline)
            handshake = Handshake(asking, bare_url, with_audio=with_audio)
            try:
                agreement = handshake.run()
            except BaseException:
                if handshake.session_id:
                    headers = {"CSeq": str(asking.sequence + 1), "Session": handshake.session_id}
                    send_best_effort(connection, request("TEARDOWN", bare_url, headers))
                raise
            connection.setblocking(False)
            session = cls(connection, agreement, authenticator, asking.sequence)
            session._playing.put_back(asking.leftover)
        except BaseException:
            connection.close()
            raise
        return session

    @property
    def damaged(self) -> int:
        """How many access units and pieces of sound something is missing of, or in front of."""
        return self._playing.damaged

    def feed(self, data: bytes | bytearray | memoryview) -> list[AccessUnit]:
        """The access units that are complete with this. The buffer may be used again, if it isn't `bytes`.

        What came along with the last answer comes out with whatever is fed first, be it empty.
        """
        return self._playing.feed(data)

    def go_on(self) -> None:
        """StreamEnded once the camera has said good-bye, or sends what can't be understood.

        Call it when what `feed` gave is in safety.
        """
        if self._playing.end is not None:
            raise self._playing.end

    def close(self) -> None:
        """Say good-bye as far as that works at once, and close."""
        self.talk.say_good_bye()
        self.socket.close()

    def _heard(self, message: Message) -> None:
        if message.status == _SESSION_NOT_FOUND:
            raise StreamEnded("The camera ended the session.")
        self.talk.heard(message)


def _target(url: str) -> tuple[str, int, Credentials | None, str]:
    """Host, port, credentials, and the address without them."""
    try:
        parts = urlsplit(url)
        port = parts.port or _PORT
    except ValueError:
        raise Unsuited("The camera's address can't be read.") from None
    if parts.scheme.lower() != "rtsp" or not parts.hostname:
        raise Unsuited("The camera's address is not one of plain RTSP.")
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    bare = urlunsplit(("rtsp", parts.netloc.rpartition("@")[2], parts.path, parts.query, ""))
    if not bare.isascii() or not bare.isprintable() or " " in bare or not (user + password).isprintable():
        raise Unsuited("The camera's address has unusual characters.")
    return parts.hostname, port, Credentials(user, password) if parts.username is not None else None, bare


def _connected(host: str, port: int, deadline: float) -> socket.socket:
    try:
        return connected(host, port, deadline)
    except TimeoutError:
        raise CameraUnreachable("The camera did not answer in time.") from None
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "its address can't be read"
    raise CameraUnreachable(f"The camera can't be reached: {storable(reason)}") from None


def _depacketizer(set_up: SetUp) -> Pictures | Sounds:
    track = set_up.track
    clock = TrackClock(track.clock_hz, set_up.origin)
    if isinstance(track, VideoTrack):
        return (H264 if track.codec == "h264" else H265)(set_up.channel, track.payload_type, clock)
    if track.codec == "aac":
        return Aac(set_up.channel, track.payload_type, clock, track.frame_ticks)
    return G711(set_up.channel, track.payload_type, clock)
