"""ONVIF metadata as cameras send it beside their pictures: five XML documents a second (ONVIF Streaming, section 5)."""

import hashlib

from camera_simulator.media import AccessUnit, Kind, Track
from camera_simulator.rtp import Payload
from camera_simulator.specs import VIDEO_CLOCK_HZ, MetadataCodec

_DOCUMENT = (
    '<?xml version="1.0" encoding="UTF-8"?><tt:MetadataStream xmlns:tt="http://www.onvif.org/ver10/schema">'
    '<tt:VideoAnalytics><tt:Frame UtcTime="2026-01-01T00:00:00Z"/></tt:VideoAnalytics></tt:MetadataStream>'
)


def metadata_track() -> Track:
    data = _DOCUMENT.encode()
    unit = AccessUnit(0, 0, True, hashlib.sha256(data).hexdigest(), data, (Payload(data, marker=True),))
    return Track(Kind.METADATA, MetadataCodec.ONVIF, VIDEO_CLOCK_HZ, (unit,), VIDEO_CLOCK_HZ // 5)
