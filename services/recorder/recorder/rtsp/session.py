"""An open session with one camera: its socket, its access units, and what keeps it alive."""

import secrets
import socket
import time
from contextlib import suppress
from typing import Self
from urllib.parse import unquote, urlsplit, urlunsplit

from recorder.addresses import connected
from recorder.errors import CameraUnreachable, StreamEnded
from recorder.redaction import storable
from recorder.rtsp.asking import AGENT, Asking
from recorder.rtsp.authentication import Authenticator, Credentials
from recorder.rtsp.description import Description, VideoTrack
from recorder.rtsp.h264 import H264
from recorder.rtsp.h265 import H265
from recorder.rtsp.handshake import Agreement, Handshake, SetUp
from recorder.rtsp.messages import OK, Message, answer, request
from recorder.rtsp.pictures import Pictures
from recorder.rtsp.playing import Playing
from recorder.rtsp.rtcp import receiver_report
from recorder.rtsp.rtp import TrackClock
from recorder.rtsp.sounds import G711, Aac, Sounds
from recorder.rtsp.units import AccessUnit
from recorder.rtsp.unsuited import Unsuited

_PORT = 554
_UNAUTHORIZED, _SESSION_NOT_FOUND, _NOT_IMPLEMENTED = 401, 454, 501
_HARMLESS = {"OPTIONS", "GET_PARAMETER", "SET_PARAMETER"}
_LONGEST_INTERVAL_SECONDS = 30.0
_UNSENT_LIMIT_BYTES = 16 << 10


class Session:
    """Close it: the camera counts its viewers. Not thread-safe; after `open` nothing here blocks."""

    def __init__(
        self, connection: socket.socket, agreement: Agreement, url: str, authenticator: Authenticator, sequence: int
    ) -> None:
        self.socket = connection
        """Non-blocking. Read from it, and feed what came."""
        self.description: Description = agreement.description
        self._agreement = agreement
        self._url = url
        self._authenticator = authenticator
        self._sequence = sequence
        self._method = agreement.keeps_alive_by
        self._interval_seconds = max(1.0, min(agreement.timeout_seconds / 2, _LONGEST_INTERVAL_SECONDS))
        self.keep_alive_at = time.monotonic() + self._interval_seconds
        """On time.monotonic."""
        self._source = secrets.randbits(32)
        self._unsent = b""
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
                    _send_best_effort(connection, request("TEARDOWN", bare_url, headers))
                raise
            connection.setblocking(False)
            session = cls(connection, agreement, agreement.description.control, authenticator, asking.sequence)
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
        """The access units that are complete with this. The buffer may be used again.

        What came along with the last answer comes out with whatever is fed first, be it empty.
        """
        return self._playing.feed(data)

    def keep_alive(self, now: float) -> None:
        """Send what is due, if anything is; `now` on time.monotonic. Never blocks.

        StreamEnded once the camera has said good-bye, or sends what can't be understood: call it when what `feed` gave
        is in safety.
        """
        if self._playing.end is not None:
            raise self._playing.end
        if now >= self.keep_alive_at:
            self.keep_alive_at = now + self._interval_seconds
            # Some cameras look for requests, others for reports of RTCP.
            report = receiver_report(self._source)
            head = bytes((0x24, self._agreement.tracks[0].reports_channel)) + len(report).to_bytes(2, "big")
            self._send(head + report + self._request(self._method))

    def close(self) -> None:
        """Say good-bye as far as that works at once, and close."""
        self._send(self._request("TEARDOWN"))
        self.socket.close()

    def _heard(self, message: Message) -> None:
        if not message.status:
            status = OK if message.method in _HARMLESS else _NOT_IMPLEMENTED
            self._send(answer(message.header("cseq"), status))
        elif message.status == _UNAUTHORIZED:
            with suppress(Unsuited):
                if self._authenticator.challenged(message.headers.get("www-authenticate", ())):
                    self._send(self._request(self._method))
        elif message.status == _SESSION_NOT_FOUND:
            raise StreamEnded("The camera ended the session.")
        elif message.status != OK:
            self._method = "OPTIONS"
        else:
            self._authenticator.accepted()

    def _request(self, method: str) -> bytes:
        self._sequence += 1
        headers = {"CSeq": str(self._sequence), "User-Agent": AGENT, "Session": self._agreement.session_id}
        proof = self._authenticator.header(method, self._url)
        if proof is not None:
            headers["Authorization"] = proof
        return request(method, self._url, headers)

    def _send(self, data: bytes) -> None:
        if len(self._unsent) < _UNSENT_LIMIT_BYTES:  # else the camera takes nothing, and will soon end the session
            self._unsent += data
        sent = _send_best_effort(self.socket, self._unsent)
        self._unsent = self._unsent[sent:]


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


def _send_best_effort(connection: socket.socket, data: bytes) -> int:
    """How much of it went out at once. A connection that is gone is found out by reading from it."""
    try:
        return connection.send(data, socket.MSG_DONTWAIT)
    except OSError:
        return 0
