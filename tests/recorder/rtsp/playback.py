"""Sessions with simulated cameras, played to their end."""

import select
import time
from collections.abc import Callable

from recorder.rtsp.session import Session
from recorder.rtsp.units import AccessUnit

LIMIT_SECONDS = 90


def play(url: str, is_enough: Callable[[list[AccessUnit]], bool], block_bytes: int = 1 << 18) -> list[AccessUnit]:
    """What a camera sends until it is enough, or the camera ends it."""
    session = Session.open(url)
    units: list[AccessUnit] = []
    try:
        while not is_enough(units):
            assert select.select([session.socket], [], [], LIMIT_SECONDS)[0], "nothing came"
            data = session.socket.recv(block_bytes)
            if not data:
                break
            units += session.feed(data)
            session.go_on()
            session.talk.keep_alive(time.monotonic())
    finally:
        session.close()
    return units


def nal_units(data: bytes) -> list[bytes]:
    """Those of an access unit."""
    units, at = [], 0
    while at < len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        assert at + 4 + length <= len(data)
        units.append(data[at + 4 : at + 4 + length])
        at += 4 + length
    return units
