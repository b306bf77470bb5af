"""How credentials are taken out of texts before anybody reads them."""

import re
from urllib.parse import unquote, urlsplit

_URL_CREDENTIALS = re.compile(r"([a-z][a-z0-9+.-]*://)[^\s/?#]*@", re.IGNORECASE)
_QUERY_SECRET = re.compile(
    r"([?&;](?:[a-z_-]*pass[a-z]*|pwd|psw|token|auth|key|user(?:name)?)=)[^\s&;#'\"]+", re.IGNORECASE
)


def redacted(text: str, *, url: str = "") -> str:
    """`text` without the credentials of any URL in it, nor those of `url` wherever they stand.

    >>> redacted("can't open rtsp://admin:pa@ss@10.0.0.2/1")
    "can't open rtsp://***@10.0.0.2/1"
    """
    text = _QUERY_SECRET.sub(r"\1***", _URL_CREDENTIALS.sub(r"\1***@", text))
    for secret in _passwords(url):
        text = text.replace(secret, "***")
    return storable(text)


def storable(text: str) -> str:
    """What others say may hold characters that neither UTF-8 nor a database takes."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()


def _passwords(url: str) -> set[str]:
    try:
        password = urlsplit(url).password
    except ValueError:
        return set()
    return {password, unquote(password)} if password else set()
