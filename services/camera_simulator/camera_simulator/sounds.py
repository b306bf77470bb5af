"""What a camera hears: a beep at the start of every second over a quiet hum."""

import array
import math
from collections.abc import Iterator

from av.audio.frame import AudioFrame

_TONE_HZ = 440
_BEEP, _HUM = 0.5, 0.05


def frames(rate: int, seconds: float, frame_samples: int, sample_format: str) -> Iterator[AudioFrame]:
    """Whole frames only, mono, in `fltp` or `s16`."""
    for start in range(0, int(rate * seconds) - frame_samples + 1, frame_samples):
        wave = [
            (_BEEP if n % rate < rate // 10 else _HUM) * math.sin(2 * math.pi * _TONE_HZ * n / rate)
            for n in range(start, start + frame_samples)
        ]
        is_float = sample_format == "fltp"
        data = array.array("f", wave) if is_float else array.array("h", [int(value * 32767) for value in wave])
        frame = AudioFrame(format=sample_format, layout="mono", samples=frame_samples)
        plane = frame.planes[0]
        plane.update(data.tobytes() + bytes(plane.buffer_size - len(data) * data.itemsize))
        frame.sample_rate, frame.pts = rate, start
        yield frame
