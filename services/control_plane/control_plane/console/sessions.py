"""Who is signed in: a signed cookie, checked against the operators table at every request."""

import secrets
import uuid
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from sqladmin.authentication import AuthenticationBackend
from starlette.datastructures import URL
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from control_plane.events import Actor
from control_plane.models import Operator
from control_plane.security.principals import Principal
from control_plane.services import Services

COOKIE = "camfleet_session"


class SessionCookie:
    """Starlette's signed session cookie: HttpOnly, SameSite=Lax, and `Secure` whenever the browser came by https."""

    def __init__(self, app: ASGIApp, *, key: str, lifetime: timedelta, path: str) -> None:
        def cookie(*, https_only: bool) -> SessionMiddleware:
            return SessionMiddleware(
                app,
                secret_key=key,
                session_cookie=COOKIE,
                max_age=int(lifetime.total_seconds()),
                path=path,
                same_site="lax",
                https_only=https_only,
            )

        self._over_https = cookie(https_only=True)
        self._over_http = cookie(https_only=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the cookie, run the app, write the cookie."""
        cookie = self._over_https if scope.get("scheme") == "https" else self._over_http
        await cookie(scope, receive, send)


class Authentication(AuthenticationBackend):
    """Lets in who has a session that is young enough and whose operator is still active."""

    def __init__(self, services: Services) -> None:
        # SQLAdmin's own cookie (two weeks, never Secure) is replaced by SessionCookie.
        self.middlewares = []
        self._services = services
        self._lifetime = timedelta(hours=services.settings.session_hours)

    async def authenticate(self, request: Request) -> Response | bool:
        """Put the operator on `request.state`, or send the browser to the login page."""
        operator = await self._signed_in(request)
        if operator is None:
            return RedirectResponse(login_url(request), status_code=303)
        request.state.operator = operator
        return True

    async def _signed_in(self, request: Request) -> Operator | None:
        session = request.session
        try:
            operator_id = uuid.UUID(session["operator"])
            signed_in_at = datetime.fromtimestamp(session["signed_in_at"], UTC)
            epoch = session["epoch"]
        except (KeyError, ValueError, TypeError):
            return None
        # The cookie is written anew whenever the session changes: its age alone would let a session live for ever.
        if datetime.now(UTC) - signed_in_at > self._lifetime:
            return None
        async with self._services.sessions() as database:
            operator = await database.get(Operator, operator_id)
        if operator is None or not operator.is_active or operator.session_epoch != epoch:
            return None
        return operator


def login_url(request: Request) -> str:
    """The login page, which says why one has to log in and leads back to where one was.

    A form that was sent can't be sent again from there: it leads back to the page that the form stood on.
    """
    asks = request.method in {"GET", "HEAD"}
    query: dict[str, str] = {}
    if not asks:
        query["why"] = "unsaved"
    elif "operator" in request.session:
        query["why"] = "ended"
    wanted = request.url if asks else URL(request.headers.get("referer", ""))
    if wanted.path and not wanted.path.endswith("/ajax/lookup"):
        query["next"] = wanted.path + (f"?{wanted.query}" if wanted.query else "")
    return str(request.url_for("admin:login").include_query_params(**query))


def sign_in(request: Request, operator: Operator) -> None:
    """Begin a session of `operator`: a new one, so that nothing planted before the login is carried over."""
    request.session.clear()
    request.session.update(
        operator=str(operator.id),
        epoch=operator.session_epoch,
        signed_in_at=int(datetime.now(UTC).timestamp()),
        csrf=secrets.token_urlsafe(32),
    )


def csrf_token(request: Request) -> str:
    """The token that this session's forms and scripts must send with everything that changes something."""
    token: str = request.session.setdefault("csrf", secrets.token_urlsafe(32))
    return token


def safe_next(request: Request, wanted: str) -> str:
    """Where to go after the login: a path of the console, never another site."""
    home = str(request.url_for("admin:index"))
    parts = urlsplit(wanted)
    own_path = urlsplit(home).path
    if parts.scheme or parts.netloc or "\\" in wanted or not wanted.startswith(own_path):
        return home
    return wanted


def operator_of(request: Request) -> Operator:
    """The operator that `authenticate` let in."""
    operator: Operator = request.state.operator
    return operator


def actor_of(request: Request) -> Actor:
    """The operator, as audit events name one."""
    return Actor(f"operator:{operator_of(request).username}", address_of(request))


def principal_of(request: Request) -> Principal:
    """The operator, with what exists for them."""
    operator = operator_of(request)
    site_ids = None if operator.site_ids is None else frozenset(operator.site_ids)
    return Principal(actor_of(request), operator.role, site_ids)


def address_of(request: Request) -> str | None:
    """Where the request came from; behind a trusted proxy, what the proxy says."""
    return request.client.host if request.client else None
