"""How many pictures a stream sends ahead of one that is shown before them: what its parameter sets say of B-frames."""

from recorder.sequences import h264_sequence, h265_sequence

_START = b"\0\0\1"
_H264_SPS, _H265_SPS = 7, 33
_DEEPEST = 16


def reordering_depth(codec: str, parameter_sets: bytes) -> int:
    """From parameter sets with start codes (Annex B); 0 for other codecs and for sets that can't be read."""
    for unit in parameter_sets.split(_START):
        try:
            if codec == "h264" and unit and unit[0] & 31 == _H264_SPS:
                return min(h264_sequence(unit).reordered, _DEEPEST)
            if codec == "hevc" and unit and unit[0] >> 1 & 63 == _H265_SPS:
                return min(h265_sequence(unit).reordered, _DEEPEST)
        except ValueError:
            return 0
    return 0
