"""Entity tags and conditional requests, as RFC 9110 has them."""

import hashlib
import re

# Section 8.8.3: an entity tag is quoted and may hold anything but quotes, spaces and control characters.
_TAG = re.compile(r'(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")')


def strong_etag(body: bytes) -> str:
    """The tag of exactly these bytes, with its quotes."""
    return f'"{hashlib.sha256(body).hexdigest()}"'


def is_unchanged(etag: str, if_none_match: list[str]) -> bool:
    """Whether an `If-None-Match` (its lines, if it was sent in several) names `etag`, so that 304 is the answer.

    Section 13.1.2: the comparison is weak, `*` names whatever there is. A header that makes no sense names nothing.
    """
    return any(line.strip() == "*" or etag in _TAG.findall(line) for line in if_none_match)
