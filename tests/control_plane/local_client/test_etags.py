"""Conditional requests as RFC 9110, sections 8.8.3 and 13.1.2, has them."""

import pytest

from control_plane.local_client.etags import is_unchanged, strong_etag

ETAG = strong_etag(b"[]")


def test_a_tag_is_quoted_and_of_exactly_these_bytes() -> None:
    assert ETAG.startswith('"')
    assert ETAG.endswith('"')
    assert ETAG == strong_etag(b"[]") != strong_etag(b"[ ]")


@pytest.mark.parametrize(
    "lines",
    [
        [ETAG],
        [f"W/{ETAG}"],
        ["*"],
        [" * "],
        [f'"other", {ETAG}'],
        [f'"other",W/"and, a comma" ,{ETAG}'],
        ['"other"', ETAG],
        [f", {ETAG},"],
    ],
)
def test_a_header_that_names_the_newest_version_is_answered_304(lines: list[str]) -> None:
    assert is_unchanged(ETAG, lines)


@pytest.mark.parametrize(
    "lines",
    [[], [""], ['"other"'], [ETAG.strip('"')], [ETAG[:-1]], [ETAG.upper()], ['W/"'], ['""'], ["**"], ['"*"']],
)
def test_any_other_header_is_answered_with_the_document(lines: list[str]) -> None:
    assert not is_unchanged(ETAG, lines)


def test_a_hostile_header_costs_no_time() -> None:
    assert not is_unchanged(ETAG, ['"' + ' ,"' * 20_000, ", " * 20_000 + "x"])
