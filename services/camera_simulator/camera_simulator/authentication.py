"""HTTP authentication as RTSP borrows it (RFC 2617; MD5, which is what cameras still use)."""

import base64
import hashlib
import hmac
import secrets
from urllib.request import parse_http_list, parse_keqv_list

from camera_simulator.rtsp import Request
from camera_simulator.specs import Authentication

REALM = "camera"


class Gatekeeper:
    """Checks the credentials of one connection; its nonce is good for this connection only."""

    def __init__(self) -> None:
        self._nonce = secrets.token_hex(16)

    def challenge(self, scheme: Authentication) -> str:
        """The value of `WWW-Authenticate`."""
        if scheme is Authentication.BASIC:
            return f'Basic realm="{REALM}"'
        return f'Digest realm="{REALM}", nonce="{self._nonce}"'

    def admits(self, request: Request, scheme: Authentication, user: str, password: str) -> bool:
        if scheme is Authentication.NONE:
            return True
        offered, _, credentials = request.headers.get("authorization", "").partition(" ")
        if offered.lower() != scheme.value:
            return False
        if scheme is Authentication.BASIC:
            expected = base64.b64encode(f"{user}:{password}".encode())
            return hmac.compare_digest(credentials.strip().encode(), expected)
        return self._admits_digest(request.method, credentials, user, password)

    def _admits_digest(self, method: str, credentials: str, user: str, password: str) -> bool:
        try:
            given = parse_keqv_list(parse_http_list(credentials))
        except (ValueError, IndexError):
            return False
        if given.get("username") != user or given.get("realm") != REALM or given.get("nonce") != self._nonce:
            return False
        first = _md5(f"{user}:{REALM}:{password}")
        second = _md5(f"{method}:{given.get('uri', '')}")
        between = [self._nonce]
        if "qop" in given:
            between += [given.get("nc", ""), given.get("cnonce", ""), given["qop"]]
        expected = _md5(":".join([first, *between, second]))
        return hmac.compare_digest(given.get("response", "").encode(), expected.encode())


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
