"""Which client reads a camera: our own where it can, libav for everything else."""

from collections.abc import Callable
from enum import StrEnum

import structlog

from recorder.plain_stream import PlainStream
from recorder.reader import Reader
from recorder.redaction import redacted
from recorder.rtsp.unsuited import Unsuited
from recorder.stream import CameraStream, Transport

log = structlog.get_logger(__name__)


class RtspClient(StrEnum):
    """The setting `RTSP_CLIENT`."""

    AUTO = "auto"
    """Our own for plain cameras, libav for the others."""
    LIBAV = "libav"
    """libav for all: the way out for a camera that our own should understand and doesn't."""


def open_stream(
    url: str,
    reader: Reader | None,
    *,
    with_audio: bool,
    transport: Transport,
    open_seconds: float,
    read_seconds: float,
    is_wanted: Callable[[], bool],
    on_playing: Callable[[], None],
    on_unsuited: Callable[[str], None] = lambda reason: log.debug("left_to_libav", reason=reason),
) -> PlainStream | CameraStream:
    """Connect; by libav if there is no `reader`. The errors of `CameraStream.open`, and of a stream that breaks off.

    `on_playing` is called where packets come and opening isn't over yet; `on_unsuited` with the reason, where our own
    client leaves the camera to libav.
    """
    if reader is not None and transport is Transport.TCP:
        try:
            return PlainStream.open(
                url,
                reader,
                with_audio=with_audio,
                open_seconds=open_seconds,
                read_seconds=read_seconds,
                is_wanted=is_wanted,
                on_playing=on_playing,
            )
        except Unsuited as reason:
            on_unsuited(redacted(str(reason), url=url))
    return CameraStream.open(url, transport=transport, open_seconds=open_seconds, read_seconds=read_seconds)
