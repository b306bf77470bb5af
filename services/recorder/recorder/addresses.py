"""Where cameras are: their names looked up and connections made, both within a limit."""

import socket
import threading
import time
from collections.abc import Sequence
from typing import Any

from recorder.errors import CameraUnreachable

_Place = tuple[socket.AddressFamily, socket.SocketKind, int, str, Any]
"""As `socket.getaddrinfo` lists it."""


class _LookUp:
    """One question to the system, which may take minutes over it: nothing can interrupt that."""

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)
        self._done = threading.Event()
        self._places: Sequence[_Place] = ()
        self._error: OSError | UnicodeError | None = None
        # A daemon: a recorder that ends doesn't wait for a name server.
        threading.Thread(target=self._ask, name=f"look-up-{host}", daemon=True).start()

    def answer(self, seconds: float) -> Sequence[_Place] | None:
        """None if there is none yet. Raises what the system says."""
        if not self._done.wait(max(0.0, seconds)):
            return None
        if self._error is not None:
            raise self._error
        return self._places

    def _ask(self) -> None:
        try:
            self._places = socket.getaddrinfo(*self._address, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            self._error = error
        finally:
            with _lock:
                _under_way.pop(self._address, None)
            self._done.set()


_lock = threading.Lock()
_under_way: dict[tuple[str, int], _LookUp] = {}
"""Whoever asks for the same while it is looked up waits for the same answer: threads must not pile up."""


def places(host: str, port: int, deadline: float) -> Sequence[_Place]:
    """Where the name leads, known before `deadline` (monotonic).

    CameraUnreachable if the name server doesn't say so in time; OSError or UnicodeError if there is no such place.
    """
    try:
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:
        pass  # a name, then
    with _lock:
        look_up = _under_way.get((host, port))
        if look_up is None:
            look_up = _under_way[host, port] = _LookUp(host, port)
    found = look_up.answer(deadline - time.monotonic())
    if found is None:
        raise CameraUnreachable("The name server did not say in time where the camera is.")
    return found


def connected(host: str, port: int, deadline: float) -> socket.socket:
    """A connection to the first place that takes one. The errors of `places`."""
    found = places(host, port, deadline)
    failure: OSError = TimeoutError()
    for number, (family, kind, protocol, _, address) in enumerate(found):
        # An address that doesn't answer leaves time for the others.
        seconds = (deadline - time.monotonic()) / (len(found) - number)
        connection = socket.socket(family, kind, protocol)
        try:
            connection.settimeout(max(0.001, seconds))
            connection.connect(address)
        except OSError as error:
            connection.close()
            failure = error
        else:
            return connection
    raise failure
