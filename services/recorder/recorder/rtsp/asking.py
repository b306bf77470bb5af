"""Questions to a camera and its answers, each with the deadline of the whole."""

import socket
import time
from collections.abc import Mapping

from recorder.errors import CameraUnreachable
from recorder.redaction import storable
from recorder.rtsp.authentication import Authenticator
from recorder.rtsp.messages import OK, Message, NotRtspError, read_message, request
from recorder.rtsp.refusals import refusal

AGENT = "camfleet-recorder"
_UNAUTHORIZED = 401
_ATTEMPTS = 3
_DOLLAR = 0x24
_BLOCK_BYTES = 1 << 16
_EARLY_LIMIT_BYTES = 8 << 20
_NO_STREAM = "What answers there sends no video stream, check the camera's URL"


class Asking:
    """Asks over a blocking socket, until the camera plays."""

    def __init__(self, connection: socket.socket, authenticator: Authenticator, deadline: float) -> None:
        """`deadline` on time.monotonic."""
        self._connection = connection
        self._authenticator = authenticator
        self._deadline = deadline
        self._sequence = 0
        self._data = b""
        self._frames: list[bytes] = []
        self._frames_bytes = 0

    @property
    def sequence(self) -> int:
        """The number of the last request."""
        return self._sequence

    @property
    def leftover(self) -> bytes:
        """What came and is no answer: the first frames."""
        return b"".join(self._frames) + self._data

    def ask(self, method: str, url: str, headers: Mapping[str, str] | None = None) -> Message:
        """The answer, which is a good one. CameraUnreachable, CameraRefused, PasswordRefused or Unsuited."""
        answer = self.try_to_ask(method, url, headers)
        if answer.status != OK:
            raise refusal(answer, method)
        return answer

    def try_to_ask(self, method: str, url: str, headers: Mapping[str, str] | None = None) -> Message:
        """The answer, whatever it is, with authentication as far as the camera wanted it."""
        for _ in range(_ATTEMPTS):
            self._send(method, url, headers or {})
            answer = self._answer()
            if answer.status != _UNAUTHORIZED:
                self._authenticator.accepted()
                break
            if not self._authenticator.challenged(answer.headers.get("www-authenticate", ())):
                break
        return answer

    def _send(self, method: str, url: str, headers: Mapping[str, str]) -> None:
        self._sequence += 1
        proof = self._authenticator.header(method, url)
        fields = {"CSeq": str(self._sequence), "User-Agent": AGENT, **headers}
        if proof is not None:
            fields["Authorization"] = proof
        try:
            self._connection.settimeout(self._remaining())
            self._connection.sendall(request(method, url, fields))
        except TimeoutError:
            raise _silent() from None
        except OSError as error:
            raise CameraUnreachable(f"The camera broke the connection: {storable(error.strerror or '')}") from None

    def _answer(self) -> Message:
        while True:
            self._set_frames_aside()
            try:
                found = read_message(self._data) if self._data and self._data[0] != _DOLLAR else None
            except NotRtspError:
                raise CameraUnreachable(f"{_NO_STREAM}.") from None
            if found is None:
                self._receive()
                continue
            message, end = found
            self._data = self._data[end:]
            if message.status >= OK:  # not what the camera asks, nor 100 Continue
                return message

    def _set_frames_aside(self) -> None:
        """A camera may send before it has said that it will."""
        at, data = 0, self._data
        while at < len(data):
            if data[at] in b"\r\n":
                at += 1
                continue
            if data[at] != _DOLLAR or len(data) - at < 4:  # noqa: PLR2004 - a frame's head
                break
            stop = at + 4 + (data[at + 2] << 8 | data[at + 3])
            if stop > len(data):
                break
            self._frames.append(data[at:stop])
            self._frames_bytes += stop - at
            at = stop
        self._data = data[at:]

    def _receive(self) -> None:
        try:
            self._connection.settimeout(self._remaining())
            data = self._connection.recv(_BLOCK_BYTES)
        except TimeoutError:
            raise _silent() from None
        except OSError as error:
            raise CameraUnreachable(f"The camera broke the connection: {storable(error.strerror or '')}") from None
        if not data or self._frames_bytes > _EARLY_LIMIT_BYTES:
            raise CameraUnreachable(f"{_NO_STREAM}: it ended the connection." if not data else f"{_NO_STREAM}.")
        self._data += data

    def _remaining(self) -> float:
        remaining = self._deadline - time.monotonic()
        if remaining <= 0:
            raise TimeoutError
        return remaining


def _silent() -> CameraUnreachable:
    return CameraUnreachable("The camera did not answer in time.")
