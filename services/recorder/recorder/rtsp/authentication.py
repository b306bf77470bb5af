"""How a client proves that it knows the password: Basic and Digest (RFC 7616, RFC 2617 for older cameras)."""

import base64
import hashlib
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from recorder.rtsp.unsuited import Unsuited

_PART = re.compile(
    r"""(?P<name>[\w-]+)\s*=\s*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>[^\s,"]*))|(?P<scheme>[A-Za-z][\w-]*)"""
)
_DIGESTS: Mapping[str, Callable[[bytes], str]] = {
    # What the camera chose, not what we would.
    "MD5": lambda data: hashlib.md5(data, usedforsecurity=False).hexdigest(),
    "SHA-256": lambda data: hashlib.sha256(data).hexdigest(),
}


@dataclass(frozen=True, slots=True)
class Credentials:
    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Challenge:
    """One `WWW-Authenticate`."""

    scheme: str
    """In lower case."""
    parameters: Mapping[str, str]

    @property
    def is_stale(self) -> bool:
        """The password was right, only the nonce is too old."""
        return self.parameters.get("stale", "").lower() == "true"


def challenges(headers: tuple[str, ...]) -> list[Challenge]:
    """All that the camera offers, in its order of preference."""
    found: list[tuple[str, dict[str, str]]] = []
    for header in headers:
        for part in _PART.finditer(header):
            if part["scheme"]:
                found.append((part["scheme"].lower(), {}))
            elif found:
                quoted = part["quoted"]
                text = part["plain"] if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
                found[-1][1].setdefault(part["name"].lower(), text)
    return [Challenge(scheme, parameters) for scheme, parameters in found]


class Authenticator:
    """Answers the challenges of one connection."""

    def __init__(self, credentials: Credentials | None) -> None:
        self._credentials = credentials
        self._challenge: Challenge | None = None
        self._count = 0
        self._is_proven = False

    def accepted(self) -> None:
        """The last answer let us in."""
        self._is_proven = self._challenge is not None

    def challenged(self, headers: tuple[str, ...]) -> bool:
        """Take what came with a 401; whether it makes sense to ask again. Unsuited if it is none we know.

        A wrong password is never tried twice: cameras lock the account.
        """
        challenge = _best(challenges(headers))
        if self._credentials is None:
            return False
        before, self._challenge, self._count = self._challenge, challenge, 0
        if before is None or challenge.is_stale:
            return True
        # Some cameras give out nonces for one use and don't call the old one stale.
        return self._is_proven and challenge.parameters.get("nonce") != before.parameters.get("nonce")

    def header(self, method: str, url: str) -> str | None:
        """The value of `Authorization`, once there was a challenge."""
        if self._challenge is None or self._credentials is None:
            return None
        if self._challenge.scheme == "basic":
            pair = f"{self._credentials.user}:{self._credentials.password}"
            return f"Basic {base64.b64encode(pair.encode()).decode()}"
        self._count += 1
        return _digest(self._challenge.parameters, self._credentials, method, url, self._count)


def _best(offered: list[Challenge]) -> Challenge:
    # Digest in the camera's order (RFC 7616, 3.7), Basic only where there is nothing better.
    for challenge in offered:
        if challenge.scheme == "digest" and _is_answerable(challenge.parameters):
            return challenge
    for challenge in offered:
        if challenge.scheme == "basic":
            return challenge
    raise Unsuited("The camera wants another authentication than Basic or Digest.")


def _is_answerable(parameters: Mapping[str, str]) -> bool:
    # What is offered besides `auth` would protect bodies, of which we send none.
    qualities = _qualities(parameters)
    return _algorithm(parameters)[0] in _DIGESTS and (not qualities or "auth" in qualities)


def _qualities(parameters: Mapping[str, str]) -> set[str]:
    """Of protection, that are offered; cameras of the older RFC 2069 know none."""
    return {text.strip().lower() for text in parameters.get("qop", "").split(",")} - {""}


def _algorithm(parameters: Mapping[str, str]) -> tuple[str, bool]:
    name = (parameters.get("algorithm") or "MD5").upper()
    return name.removesuffix("-SESS"), name.endswith("-SESS")


def _digest(parameters: Mapping[str, str], credentials: Credentials, method: str, url: str, count: int) -> str:
    name, is_session = _algorithm(parameters)
    realm, nonce, user = parameters.get("realm", ""), parameters.get("nonce", ""), credentials.user

    def digest(*parts: str) -> str:
        return _DIGESTS[name](":".join(parts).encode("utf-8", "surrogateescape"))

    offered = _qualities(parameters)
    nonce_count, client_nonce = f"{count:08x}", secrets.token_hex(8)
    first = digest(user, realm, credentials.password)
    if is_session:
        first = digest(first, nonce, client_nonce)
    between = [nonce, nonce_count, client_nonce, "auth"] if offered else [nonce]
    fields = [("username", user), ("realm", realm), ("nonce", nonce), ("uri", url)]
    fields.append(("response", digest(first, *between, digest(method, url))))
    parts = [f'{key}="{_quoted(text)}"' for key, text in fields]
    if "opaque" in parameters:
        parts.append(f'opaque="{_quoted(parameters["opaque"])}"')
    if "algorithm" in parameters:
        parts.append(f"algorithm={parameters['algorithm']}")
    if offered:
        parts.append(f"qop=auth, nc={nonce_count}")
    if offered or is_session:
        parts.append(f'cnonce="{client_nonce}"')
    return "Digest " + ", ".join(parts)


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
