"""The newest keyframe that is on the disk of a camera that is recorded."""

import time
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import av
from av.video.stream import VideoStream

from recorder.sights import Keyframe, Sight
from recorder.spool import Segment, SegmentState, Spool

_BEYOND_THE_END = 1 << 40
"""In ticks of any track: years."""


def newest_picture(spool: Spool, camera_id: UUID) -> Sight | None:
    """None where no segment grows, or nothing can be read of it yet. Blocks."""
    growing = [one for one in spool.segments.in_state(SegmentState.OPEN) if one.camera_id == camera_id]
    for segment in reversed(growing):
        try:
            return _last_keyframe(spool.segments.open_file(segment), segment)
        except (OSError, av.FFmpegError, IndexError, LookupError):
            continue  # it was only just begun, or is sealed by now
    return None


def _last_keyframe(path: Path, segment: Segment) -> Sight:
    with av.open(str(path), "r", format="mp4") as opened:
        video: VideoStream = opened.streams.video[0]
        opened.seek(_BEYOND_THE_END, stream=video)  # to the last keyframe, without reading what is before it
        packet = next(packet for packet in opened.demux(video) if packet.size and packet.is_keyframe)
        context = video.codec_context
        second = float((packet.pts or 0) * (video.time_base or 0))
        return Sight(
            codec=context.name,
            width=context.width,
            height=context.height,
            audio=opened.streams.audio[0].codec_context.name if opened.streams.audio else None,
            keyframe=Keyframe(bytes(context.extradata or b""), bytes(packet), has_lengths=False),
            arrived_at=segment.opened_at + timedelta(seconds=second),
            arrival=time.monotonic(),
        )
