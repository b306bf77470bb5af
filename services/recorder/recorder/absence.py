"""Notices that a camera which didn't answer answers again, so that nobody waits longer for it than it was away."""

import select
import socket
import threading
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from recorder.addresses import connected
from recorder.errors import CameraUnreachable

_LOOK_SECONDS = 1.0
"""Between two looks, and for what counts as prompt."""
_WAKE_MILLISECONDS = 250
"""How soon a look ends when nobody wants to know any more."""
_HOLD_SECONDS = 2.0
"""A connection that was accepted and not answered is given up after this long: its camera may have lost power since."""
_DEFAULT_PORTS = {"rtsp": 554, "rtsps": 322}
"""RFC 7826, 22.4.1; libav's too."""


def returned(
    url: str, seconds: float, wake: threading.Event, *, longest_seconds: float, on_away: Callable[[], None]
) -> bool:
    """Waits, until `wake` or for so long; True as soon as the camera answers after it hadn't.

    Whenever it doesn't answer, `on_away` is called, and it is waited for up to `longest_seconds`: a real attempt would
    sit there until its own limit, and miss the return meanwhile.

    A look is a TCP connection and, where nothing is encrypted, an OPTIONS request without credentials: it starts no
    session and locks no account. A camera that answers the first look is not away, and isn't looked at again: whatever
    keeps it from giving footage, looking doesn't mend.
    """
    started = time.monotonic()
    until = started + seconds
    look = _Look.at(url)
    was_away = False
    while look is not None and (left := until - time.monotonic()) > 0:
        began = time.monotonic()
        is_answered = look.is_answered(min(left, _HOLD_SECONDS), wake)
        if wake.is_set():
            break
        if is_answered:
            if was_away or time.monotonic() - began > _LOOK_SECONDS:
                return True
            break
        was_away, until = True, max(until, started + longest_seconds)
        on_away()
        wake.wait(min(until, began + _LOOK_SECONDS) - time.monotonic())
    wake.wait(max(0.0, until - time.monotonic()))
    return False


class _Look:
    """Whether an address answers just now."""

    def __init__(self, host: str, port: int, request: bytes) -> None:
        self._address = (host, port)
        self._request = request
        """Empty where being accepted has to do for an answer."""

    @classmethod
    def at(cls, url: str) -> "_Look | None":
        """None for what is no RTSP address."""
        try:
            parts = urlsplit(url)
            scheme, host = parts.scheme.lower(), parts.hostname
            port = parts.port or _DEFAULT_PORTS.get(scheme)
        except ValueError:
            return None
        if not host or port is None or scheme not in _DEFAULT_PORTS:
            return None
        place = f"[{host}]" if ":" in host else host
        request = f"OPTIONS rtsp://{place}:{port}{parts.path or '/'} RTSP/1.0\r\nCSeq: 1\r\n\r\n"
        return cls(host, port, request.encode("ascii", "replace") if scheme == "rtsp" else b"")

    def is_answered(self, seconds: float, wake: threading.Event) -> bool:
        try:
            with connected(*self._address, time.monotonic() + min(seconds, _LOOK_SECONDS)) as connection:
                return self._request == b"" or self._answers(connection, time.monotonic() + seconds, wake)
        except (OSError, UnicodeError, CameraUnreachable):
            return False

    def _answers(self, connection: socket.socket, until: float, wake: threading.Event) -> bool:
        connection.sendall(self._request)
        answer = select.poll()  # select itself knows no descriptor beyond 1023
        answer.register(connection, select.POLLIN)
        while time.monotonic() < until and not wake.is_set():
            if answer.poll(_WAKE_MILLISECONDS):
                return bool(connection.recv(1))
        return False
