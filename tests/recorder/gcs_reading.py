"""How the bucket of the tests is read: lists page by page, and parts of objects, as Google describes it."""

import re
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

_FROM_THE_END = re.compile(r"bytes=-([0-9]+)")
_WITHIN = re.compile(r"bytes=(\d+)-(\d+)")
_LISTED = re.compile(r"nextPageToken,items\(([a-zA-Z0-9,]+)\)")


def page_of(objects: Mapping[str, Mapping[str, Any]], asked: Mapping[str, str], size: int) -> dict[str, Any]:
    """https://cloud.google.com/storage/docs/json_api/v1/objects/list: in the order of names, without empty fields."""
    fields = _LISTED.fullmatch(asked.get("fields", ""))
    assert fields, "a list that asks for all fields is several times as long"
    prefix = asked.get("prefix", "")
    names = sorted(name for name in objects if name > asked.get("pageToken", "") and name.startswith(prefix))
    wanted = fields[1].split(",")
    items = [{name: objects[each][name] for name in wanted if objects[each].get(name)} for each in names[:size]]
    # Without objects there is no `items`, and on the last page no token.
    return ({"items": items} if items else {}) | ({"nextPageToken": names[size - 1]} if len(names) > size else {})


def part_of(body: bytes, range_header: str | None) -> Response:
    """All of an object, its end, or a part from the middle (RFC 9110, 14.1.2)."""
    if range_header is None:
        return Response(body)
    if within := _WITHIN.fullmatch(range_header):
        start, end = int(within[1]), min(int(within[2]) + 1, len(body))
        if start >= end:
            return Response(status_code=416)
        told = {"Content-Range": f"bytes {start}-{end - 1}/{len(body)}"}
        return Response(body[start:end], 206, told)
    asked = _FROM_THE_END.fullmatch(range_header)
    assert asked, range_header
    if not body:
        return Response(status_code=416)
    tail = body[-int(asked[1]) :]
    headers = {"Content-Range": f"bytes {len(body) - len(tail)}-{len(body) - 1}/{len(body)}"}
    return Response(tail, 206, headers)
