"""Which free-form JSON can be kept: PostgreSQL's jsonb takes less than Python's parser does."""

import json
from collections.abc import Iterable

from control_plane.errors import Invalid

LARGEST_BYTES = 64 * 1024
DEEPEST = 20
# More digits than any counter has, and few enough for every reader of JSON.
_LARGEST_NUMBER = 2**64


def worth_keeping(field: str, content: object) -> None:
    """Raise Invalid, naming the field, if `content` (parsed JSON) can't be kept, or is not worth it."""
    level: list[object] = [content]
    for _ in range(DEEPEST):
        for value in level:
            if problem := _problem(value):
                raise Invalid(field, problem)
        level = [inner for value in level for inner in _inside(value)]
        if not level:
            break
    else:
        raise Invalid(field, f"must not be nested deeper than {DEEPEST} levels")
    if len(json.dumps(content)) > LARGEST_BYTES:
        raise Invalid(field, f"must be at most {LARGEST_BYTES} bytes of JSON")


def _inside(value: object) -> Iterable[object]:
    match value:
        case dict():
            return [*value.keys(), *value.values()]
        case list():
            return value
        case _:
            return ()


def _problem(value: object) -> str:
    match value:
        case str() if "\0" in value:
            return "must not contain a NUL character"
        case str() if any("\ud800" <= character <= "\udfff" for character in value):
            return "must not contain half of a surrogate pair"
        # Not above, so that neither infinity nor what is no number at all gets through.
        case float() | int() if not abs(value) <= _LARGEST_NUMBER:
            return "must not contain a number beyond 64 bits"
        case _:
            return ""
