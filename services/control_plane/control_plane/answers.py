"""What a failed request is answered, in every application of the control plane: JSON with a `detail`, never an inside.

`errors.py` says what can be wrong; this module turns that, and what the database and the framework raise, into answers.
"""

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, cast

import asyncpg
import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from control_plane.errors import Conflict, FieldProblem, Invalid, RefusedError, TooMany, Unavailable

log = structlog.get_logger()

# PostgreSQL's SQLSTATE, by class or as a whole (its manual, appendix A): what passes by itself.
# Some of it an operator must mend, but not the caller: a password that was changed, a database that takes nobody in.
_PASSING = ("08", "28", "3D", "53", "55000", "57", "40", "55P03", "25006", "25P03", "25P04", "58")
_CONSTRAINT = "23"
_DATA = ("22", "54")


def install_error_handlers(app: FastAPI) -> None:
    """Let `app` answer everything that goes wrong in it. Each application needs it, mounted ones as well."""
    app.add_exception_handler(RefusedError, _refused)
    app.add_exception_handler(RequestValidationError, _invalid_request)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_middleware(_Unexpected)


def refusal_for(error: BaseException) -> RefusedError | None:
    """What `error` of the database or of the network means for the caller; None if it is a fault of ours."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    if isinstance(error, RefusedError):
        return error
    if isinstance(error, PoolTimeoutError):
        return Unavailable("The service is overloaded; try again.", retry_after_seconds=2)
    if isinstance(error, DBAPIError | asyncpg.PostgresError | asyncpg.InterfaceError):
        return _database_refusal(error)
    if isinstance(error, UnicodeError):
        # Half a surrogate pair passes JSON and pydantic, and nothing after them.
        return Invalid.of([FieldProblem("", "a text is not valid Unicode")])
    # Files carry their name, connections do not.
    if isinstance(error, OSError) and error.filename is None:
        return Unavailable("The database can't be reached; try again.")
    return None


def as_json(content: object) -> bytes:
    """JSON in UTF-8 whatever callers sent: half a surrogate pair can stand in JSON, and not in UTF-8."""
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8", errors="replace")


def error_response(status: int, detail: object, headers: Mapping[str, str] | None = None) -> Response:
    """`{"detail": ...}`."""
    return Response(as_json({"detail": detail}), status, headers, media_type="application/json")


def _database_refusal(error: DBAPIError | asyncpg.PostgresError | asyncpg.InterfaceError) -> RefusedError | None:
    driver_error: Any = error
    if isinstance(error, DBAPIError):
        if error.connection_invalidated:
            return Unavailable("The database can't be reached; try again.")
        # SQLAlchemy's adapter wraps what the driver raised.
        driver_error = getattr(error.orig, "__cause__", None) or error.orig
    state = str(getattr(driver_error, "sqlstate", None) or "")
    if state.startswith(_CONSTRAINT):
        return Conflict("This does not fit with what is stored: something it belongs to is missing, or it is taken.")
    if state.startswith(_DATA) or isinstance(driver_error, asyncpg.DataError):
        return Invalid.of([FieldProblem("", "a value is out of range or can't be stored")])
    if state.startswith(_PASSING) or isinstance(driver_error, OSError | asyncpg.InterfaceError):
        return Unavailable("The database can't answer just now; try again.")
    return None


async def _refused(_request: Request, error: Exception) -> Response:
    return _answer(cast("RefusedError", error))


def _answer(error: RefusedError) -> Response:
    match error:
        case Invalid():
            return error_response(error.status, [_as_fastapi_writes_it(problem) for problem in error.problems])
        case Unavailable() | TooMany():
            return error_response(error.status, error.detail, {"Retry-After": str(error.retry_after_seconds)})
    headers = {"WWW-Authenticate": "Bearer"} if error.status == 401 else None  # noqa: PLR2004 - the status has no other name
    return error_response(error.status, error.detail, headers)


def _as_fastapi_writes_it(problem: FieldProblem) -> dict[str, object]:
    parts: Sequence[str | int] = [int(part) if part.isdigit() else part for part in problem.field.split(".") if part]
    return {"type": "value_error", "loc": ["body", *parts], "msg": problem.message}


async def _invalid_request(_request: Request, error: Exception) -> Response:
    """FastAPI's list without what the caller sent: it may be a password, and it may be megabytes."""
    problems = cast("RequestValidationError", error).errors()
    told = [{name: problem[name] for name in ("type", "loc", "msg")} for problem in problems[:100]]
    return error_response(422, told)


async def _http_error(request: Request, error: Exception) -> Response:
    error = cast("HTTPException", error)
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(_methods_at(request.scope))
    return error_response(error.status_code, error.detail, headers)


def _methods_at(scope: Scope) -> list[str]:
    """What the path takes (RFC 9110, 10.2.1). The framework names the methods of one route, and a path has several."""
    routes = scope["app"].router.routes
    # Anew: what routing has found so far stands in the scope.
    asked = {name: scope[name] for name in ("type", "path", "root_path", "headers", "query_string") if name in scope}
    return [
        method
        for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
        if any(route.matches({**asked, "method": method})[0] is Match.FULL for route in routes)
    ]


class _Unexpected:
    """ASGI middleware around the routes: answers what no handler above knows, and logs what is a fault of ours."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        has_started = False

        async def watched_send(message: Message) -> None:
            nonlocal has_started
            has_started = has_started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, watched_send)
        except Exception as error:  # the last place where an answer can still be given
            if has_started:
                raise
            response = response_to(error, scope)
        else:
            return
        await response(scope, receive, send)


def response_to(error: Exception, scope: Scope) -> Response:
    """The answer to a request that failed; logged if it is a fault of ours."""
    refusal = refusal_for(error)
    if refusal is None:
        log.error("request_failed", exc_info=error)
        request_id = scope.get("camfleet.request_id", "none")
        return error_response(500, f"Something went wrong on our side. It was logged as request {request_id}.")
    if isinstance(error, SQLAlchemyError | OSError):
        # The text of a driver's error may hold other people's data; its kind is enough.
        driver_error = getattr(error, "orig", None) or error
        log.warning("request_refused", status=refusal.status, error=type(driver_error).__name__)
    return _answer(refusal)
