"""Which part of a file a header asks for (RFC 9110, section 14)."""

import pytest

from control_plane.media.ranges import Part, part_of


@pytest.mark.parametrize(
    ("header", "part"),
    [
        (None, Part(0, 1000)),
        ("bytes=0-", Part(0, 1000)),
        ("bytes=0-0", Part(0, 1)),
        ("bytes=200-299", Part(200, 300)),
        ("bytes=999-5000", Part(999, 1000)),
        ("bytes=-100", Part(900, 1000)),
        ("bytes=-5000", Part(0, 1000)),
        ("bytes=1000-", None),
        ("bytes=-0", None),
        ("bytes=5-2", Part(0, 1000)),  # not valid, so it is ignored, as are units and lists that we don't know
        ("bytes=-", Part(0, 1000)),
        ("bytes=0-1,5-6", Part(0, 1000)),
        ("lines=0-1", Part(0, 1000)),
        ("bytes=\u0661-", Part(0, 1000)),
        ("bytes=99999999999999999999-", Part(0, 1000)),
    ],
)
def test_what_a_header_asks_for(header: str | None, part: Part | None) -> None:
    assert part_of(header, 1000) == part
