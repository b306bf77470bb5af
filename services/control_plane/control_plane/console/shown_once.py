"""What is shown on one page and never again: a token or a key that was just made, on its way to that page."""

import json
import uuid
from datetime import UTC, datetime, timedelta

from starlette.requests import Request

from control_plane.security.secrets import SecretUnreadableError
from control_plane.security.tokens import NewToken
from control_plane.services import Services

_KEPT_FOR = timedelta(minutes=5)
_SLOT = "new_token"


def keep_for_one_page(services: Services, request: Request, made_for: uuid.UUID, token: NewToken) -> None:
    """Put it into the session's cookie, encrypted.

    So any replica can show it, nothing stores it, and a reload of the page, or going back to it, finds nothing more.
    """
    until = datetime.now(UTC) + _KEPT_FOR
    sealed = services.secrets.encrypt(json.dumps([str(made_for), token.text, until.timestamp()]))
    request.session[_SLOT] = sealed.decode()


def collect(services: Services, request: Request, made_for: uuid.UUID) -> str | None:
    """Take it out again; None where there is nothing, or something else, or for too long."""
    sealed = request.session.pop(_SLOT, None)
    if not isinstance(sealed, str):
        return None
    try:
        kept_for, text, until = json.loads(services.secrets.decrypt(sealed.encode()))
    except (SecretUnreadableError, ValueError):
        return None
    is_fresh = datetime.now(UTC).timestamp() < float(until)
    return str(text) if is_fresh and kept_for == str(made_for) else None
