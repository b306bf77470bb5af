"""Who calls: the recorder behind a bearer token, known before anything else of the request is read."""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any, cast

from fastapi import Depends, Request, Response
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer

from control_plane.local_client.identities import Caller, sent_token
from control_plane.services import Services

bearer = HTTPBearer(
    scheme_name="client_token",
    description="The recorder's token, as the console shows it once when a local recording client is created.",
    auto_error=False,
)
"""Only for the documentation: `TokenRoute` decides."""


class TokenRoute(APIRoute):
    """A route that knows its caller before FastAPI reads the body or the parameters.

    A dependency would come too late: FastAPI reads and parses the body before it asks the first one.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Put the check before all that FastAPI does with a request."""
        handle = super().get_route_handler()

        async def handle_known_caller(request: Request) -> Response:
            request.state.caller = await identify(request)
            return await handle(request)

        return handle_known_caller


async def identify(request: Request) -> Caller:
    """The recorder whose token the request carries, noted as seen. Raise Unauthorized."""
    sha256 = sent_token(request.headers.get("authorization", ""))
    services = cast("Services", request.app.state.services)
    return await services.callers.identify(sha256, request.client.host if request.client else None)


def _caller(request: Request) -> Caller:
    return cast("Caller", request.state.caller)


KnownCaller = Annotated[Caller, Depends(_caller)]
"""The recorder that calls, for a route."""
