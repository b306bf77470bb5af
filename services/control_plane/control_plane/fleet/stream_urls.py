"""Stream URLs: which are accepted, how one gets its credentials, and how one is shown without them."""

import ipaddress
import re
from urllib.parse import SplitResult, quote, urlsplit

SCHEMES = ("rtsp", "rtsps", "http", "https")
MASK = "***"
"""Stands where a password was."""

_UNPRINTABLE = re.compile(r"[\s\x00-\x1f\x7f]")
# Greedy up to the last @: of a malformed URL rather too much is hidden than a part of its password shown.
_USERINFO = re.compile(r"(://)([^@:]*)(:?)(.*)@", re.DOTALL)
# Many cameras (XMeye, Reolink, Foscam) take the password as a part of the path or the query.
_NAMED_PASSWORD = re.compile(r"((?:password|passwd|passwort|pass|pwd|psw|token)=)[^&;/?#\s]*", re.IGNORECASE)
_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)", re.ASCII)
_LONGEST_HOST = 253


def redacted(url: str) -> str:
    """The URL as it may be shown: every password in it is `***`."""
    shown = _USERINFO.sub(lambda m: f"{m[1]}{m[2]}:{MASK}@" if m[3] else f"{m[1]}{m[2]}@", url, count=1)
    return _NAMED_PASSWORD.sub(rf"\g<1>{MASK}", shown)


def is_masked(url: str) -> bool:
    """Whether the URL was copied from where it is shown without its password."""
    return MASK in url and redacted(url) == url


def assembled(host: str, port: int, path: str, username: str, password: str) -> str:
    """An RTSP URL of its parts, the credentials percent-encoded."""
    return with_credentials(f"rtsp://{f'[{host}]' if ':' in host else host}:{port}{path}", username, password)


def with_credentials(url: str, username: str, password: str) -> str:
    """The URL with these credentials, unless it carries its own or there is no user."""
    scheme, separator, rest = url.partition("://")
    if not username or "@" in rest:
        return url
    secret = f":{quote(password, safe='')}" if password else ""
    return f"{scheme}{separator}{quote(username, safe='')}{secret}@{rest}"


def checked_url(text: str) -> str:
    """The URL without white space around it; empty stays empty.

    Strict, so that what is a password in it is never in doubt. Raises ValueError with a message for a person, which
    never quotes the URL.
    """
    url = text.strip()
    if not url:
        return ""
    if _UNPRINTABLE.search(url):
        raise ValueError("must not contain spaces or control characters")
    parts = _split(url)
    if parts.scheme.lower() not in SCHEMES or not url[len(parts.scheme) :].startswith("://"):
        raise ValueError(f"must begin with {', '.join(f'{s}://' for s in SCHEMES)}, as in rtsp://10.0.0.5:554/s1")
    if url.count("@") > parts.netloc.count("@") or parts.netloc.count("@") > 1:
        raise ValueError(
            "has an @ that is not the one before the host: percent-encode user and password (@ is %40, / is %2F), "
            "or put them into the fields username and password"
        )
    if not parts.hostname:
        raise ValueError("names no host, as in rtsp://10.0.0.5:554/s1")
    checked_host(parts.hostname)
    return url


def checked_host(text: str) -> str:
    """An IP address or a host name, without brackets; empty stays empty. Raises ValueError."""
    host = text.strip()
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    if not host:
        return ""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        labels = host.removesuffix(".").split(".")
        # "192.168.1.300" is no host name either: the last label of one is never a number.
        named = all(_LABEL.fullmatch(label) for label in labels) and not labels[-1].isdigit()
        if len(host) > _LONGEST_HOST or not named:
            raise ValueError("must be an IP address or a host name, as in 192.168.1.20 or yard.example") from None
        return host


def checked_path(text: str) -> str:
    """The part of the URL after host and port, with its slash. Raises ValueError."""
    path = text.strip()
    if _UNPRINTABLE.search(path):
        raise ValueError("must not contain spaces or control characters: write them percent-encoded")
    if "@" in path:
        raise ValueError("must not contain @: write it as %40. User and password have their own fields")
    return path if path.startswith("/") else f"/{path}"


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        port = 0
    if port == 0:
        # Raised out here: the text of the cause may quote the URL with its password.
        raise ValueError(
            "is not a well-formed URL: the port is a number from 1 to 65535, and special characters in user and "
            "password are percent-encoded (@ is %40, / is %2F), or given in the fields username and password"
        )
    return parts
