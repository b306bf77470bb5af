"""A segment's file is never, at no moment of a power cut, one that points to what isn't there."""

from pathlib import Path

import av

from recorder.growing_file import GrowingFile
from recorder.segments import MUXING
from tests.recorder.footage import make_clip, video_hashes


def test_the_index_is_on_disk_before_the_head_points_to_it(tmp_path: Path) -> None:
    """At the one flush the index is there, and yet the file is still read by its fragments, in full."""
    clip, path = make_clip(tmp_path / "clip.mov", seconds=3), tmp_path / "segment.mp4.part"
    flushed: list[bytes] = []
    file = GrowingFile(path, flush=lambda _: flushed.append(path.read_bytes()))
    with av.open(str(clip)) as source:
        output = av.open(file, "w", format="mp4", options=dict(MUXING))
        tracks = {stream.index: output.add_stream_from_template(stream) for stream in source.streams}
        for packet in source.demux():
            if packet.size:
                packet.stream = tracks[packet.stream_index]
                output.mux_one(packet)
        assert flushed == []
        output.close()
    file.close()

    [before] = flushed
    after = path.read_bytes()
    assert len(before) == len(after), "the index is there"
    assert before != after, "the head is not"
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(before)
    assert video_hashes(cut) == video_hashes(clip)
    assert video_hashes(path) == video_hashes(clip)
