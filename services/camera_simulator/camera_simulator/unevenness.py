"""A variable frame rate: the same pictures at changing distances."""

import dataclasses
from itertools import accumulate, cycle, islice

from camera_simulator.media import Track

_DISTANCES = (2, 10, 4, 1, 3, 4)
"""In quarters of a frame; on average one frame."""
_QUARTERS = 4


def uneven(track: Track) -> Track:
    """The track with its pictures shown at uneven times; each still comes before it is shown."""
    count = len(track.units)
    frame = track.loop_ticks / count
    moments = [round(n * frame / _QUARTERS) for n in accumulate(islice(cycle(_DISTANCES), count), initial=0)]
    first = min(unit.pts for unit in track.units)
    shown = [round((unit.pts - first) / frame) for unit in track.units]
    delay = max(moments[n] - moments[place] for n, place in enumerate(shown))
    units = tuple(
        dataclasses.replace(unit, dts=moments[n], pts=moments[place] + delay)
        for n, (unit, place) in enumerate(zip(track.units, shown, strict=True))
    )
    return dataclasses.replace(track, units=units, loop_ticks=moments[-1])
