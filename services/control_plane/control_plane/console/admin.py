"""SQLAdmin's application with its holes closed: pages that change something do so by POST, in one transaction."""

from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import asyncpg
from sqladmin import Admin
from sqladmin.authentication import login_required
from sqladmin.flash import Flash
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.status import HTTP_403_FORBIDDEN
from wtforms import Form

from control_plane.answers import refusal_for
from control_plane.console import display, happenings, login
from control_plane.console.dashboard import dashboard
from control_plane.console.forgery import ForgeryGuard
from control_plane.console.headers import SecurityHeaders
from control_plane.console.own_pages import own_pages
from control_plane.console.previews import clock_change
from control_plane.console.roles import Roles, may
from control_plane.console.sessions import (
    Authentication,
    SessionCookie,
    actor_of,
    csrf_token,
    operator_of,
    principal_of,
)
from control_plane.console.views.base import ConsoleView, show_problems
from control_plane.console.views.drills import result as drill_result
from control_plane.console.views.recordings import status as recording_status
from control_plane.database import create_sessions
from control_plane.errors import Conflict, Invalid, NotFound, RefusedError, Unavailable
from control_plane.services import Services

BASE_URL = "/admin"
_HERE = Path(__file__).parent

_IN_THE_WAY = (
    "This does not fit with what is stored: something that belongs to it was just changed or is still in use. "
    "Reload the page and look again."
)


class Console(Admin):
    """The console's application, mounted at `/admin/`."""

    def __init__(self, app: Starlette, services: Services) -> None:
        self.services = services
        settings = services.settings
        super().__init__(
            app,
            # SQLAdmin changes the options of the sessions it is given, so it gets its own.
            session_maker=create_sessions(services.engine),
            base_url=BASE_URL,
            title="camfleet",
            templates_dir=str(_HERE / "templates"),
            authentication_backend=Authentication(services),
            authorization_backend=Roles(),
            middlewares=[
                Middleware(SecurityHeaders),
                Middleware(
                    SessionCookie,
                    key=services.secrets.derive("console session"),
                    lifetime=timedelta(hours=settings.session_hours),
                    path=BASE_URL,
                ),
                Middleware(ForgeryGuard, refuse=self._forged, public_url=settings.public_url),
            ],
        )
        self.templates.env.globals.update(
            csrf_token=csrf_token,
            display=display,
            signed_in=_signed_in,
            may=may,
            recording_status=recording_status,
            drill_result=drill_result,
            clock_change=clock_change,
            happenings=happenings,
        )
        self.admin.router.routes[:] = self._routes()
        self.admin.exception_handlers = {
            HTTPException: self._http_error,
            RefusedError: self._refused,
            DBAPIError: self._database_error,
            PoolTimeout: self._database_error,
            OSError: self._database_error,
            # A database that starts, stops or is full refuses connections with the driver's own errors.
            asyncpg.PostgresError: self._database_error,
            asyncpg.InterfaceError: self._database_error,
            Exception: self._unexpected,
        }

    def _routes(self) -> list[Route | Mount]:
        """Ours in the place of SQLAdmin's: without DELETE by script, GET actions, exports, imports and file pages."""
        both = ["GET", "POST"]
        return [
            Mount("/statics", app=StaticFiles(packages=["sqladmin"]), name="statics"),
            Mount("/assets", app=StaticFiles(directory=_HERE / "static"), name="assets"),
            Route("/", self.index, name="index"),
            Route("/login", self.login, name="login", methods=both),
            Route("/logout", self.logout, name="logout", methods=["POST"]),
            *own_pages(self),
            Route("/{identity}/list", self.list, name="list"),
            Route("/{identity}/details/{pk}", self.details, name="details"),
            Route("/{identity}/create", self.create, name="create", methods=both),
            Route("/{identity}/edit/{pk}", self.edit, name="edit", methods=both),
            Route("/{identity}/delete/{pk}", self.delete, name="delete", methods=["POST"]),
            Route("/{identity}/ajax/lookup", self.ajax_lookup, name="ajax_lookup"),
        ]

    @login_required
    async def index(self, request: Request) -> Response:
        """The overview."""
        context = await dashboard(self.services, principal_of(request))
        return await self.templates.TemplateResponse(request, "console/dashboard.html", context)

    async def login(self, request: Request) -> Response:
        """The login page, and what its form sends."""
        return await login.login(self, request)

    @login_required
    async def logout(self, request: Request) -> Response:
        """End this browser's session."""
        request.session.clear()
        # What was seen must not come back by the browser's back button.
        headers = {"Clear-Site-Data": '"cache"'}
        return RedirectResponse(request.url_for("admin:login"), status_code=303, headers=headers)

    @login_required
    async def create(self, request: Request) -> Response:
        """The form for a new object, and what it sends."""
        await self._create(request)
        view = self.view_of(request)
        form = await view.form_for(request, None)
        if request.method == "POST" and form.validate():
            made = await self._attempt(request, view, form, None)
            if made is not None:
                return made
        return await self._form_page(request, view, form, None)

    @login_required
    async def edit(self, request: Request) -> Response:
        """The form of an object, and what it sends."""
        await self._edit(request)
        view = self.view_of(request)
        obj = await view.get_object_for_edit(request)
        if obj is None:
            raise HTTPException(404)
        form = await view.form_for(request, obj)
        if request.method == "POST" and form.validate():
            changed = await self._attempt(request, view, form, obj)
            if changed is not None:
                return changed
        return await self._form_page(request, view, form, obj)

    @login_required
    async def delete(self, request: Request) -> Response:
        """Delete one object, after the browser asked the operator to confirm."""
        view = self.view_of(request)
        obj = await view.get_object_for_details(request)
        if not await view.check_can_delete(request, obj):
            raise HTTPException(403)
        if obj is None:
            raise HTTPException(404)
        details = request.url_for("admin:details", identity=view.identity, pk=request.path_params["pk"])
        try:
            async with self.services.sessions.begin() as session:
                await view.remove(session, obj, actor_of(request))
        except NotFound:
            raise
        except RefusedError as error:
            Flash.error(request, error.detail)
            return RedirectResponse(details, status_code=303)
        except IntegrityError:
            Flash.error(request, f"{view.name} {obj} is still in use, so it can't be deleted.")
            return RedirectResponse(details, status_code=303)
        Flash.success(request, f"{view.name} {obj} was deleted.")
        return RedirectResponse(request.url_for("admin:list", identity=view.identity), status_code=303)

    @login_required
    async def ajax_lookup(self, request: Request) -> Response:
        """What a search box offers: only to whoever may open the form that it stands in."""
        view = self.view_of(request)
        loader = view.lookups.get(request.query_params.get("name", ""))
        if loader is None:
            raise HTTPException(404)
        may_use_form = any(view.has_permission(request, action) for action in ("create", "edit"))
        if not may_use_form:
            raise HTTPException(403)
        term = request.query_params.get("term", "").replace("\0", "")[:200]
        async with self.services.sessions() as session:
            results = await loader(session, principal_of(request), term, dict(request.query_params))
        return JSONResponse({"results": results})

    def view_of(self, request: Request) -> ConsoleView:
        """The view that the address names."""
        return cast("ConsoleView", self._find_model_view(request.path_params["identity"]))

    async def error_page(self, request: Request, status: int, message: str) -> Response:
        """A page that says what is wrong, and nothing of the inside."""
        context = {"status_code": status, "message": message}
        return await self.templates.TemplateResponse(request, "sqladmin/error.html", context, status_code=status)

    async def _attempt(self, request: Request, view: ConsoleView, form: Form, obj: Any) -> Response | None:
        """Save, and say where to go; None if the form has to be shown again with what is wrong."""
        try:
            async with self.services.sessions.begin() as session:
                if obj is None:
                    saved = await view.create(session, form, actor_of(request), request)
                else:
                    saved = await view.change(session, obj, form, actor_of(request), request)
        except Invalid as error:
            show_problems(form, error)
            return None
        except IntegrityError:
            form.form_errors.append(_IN_THE_WAY)
            return None
        except Conflict as error:
            show_problems(form, Invalid(view.unique_field if view.unique_field in form else "", error.detail))
            return None
        except RefusedError as error:
            form.form_errors.append(error.detail)
            return None
        return view.after_saving(request, saved, is_new=obj is None, again="again" in (await request.form()))

    async def _form_page(self, request: Request, view: ConsoleView, form: Form, obj: Any) -> Response:
        context = {"model_view": view, "form": form, "obj": obj, **await view.form_context(request, obj)}
        status = 422 if request.method == "POST" else 200
        return await self.templates.TemplateResponse(request, view.form_template, context, status_code=status)

    async def _forged(self, request: Request, status: int, message: str) -> Response:
        is_login = request.url.path == request.url_for("admin:login").path
        if is_login and status == HTTP_403_FORBIDDEN and "operator" not in request.session:
            return await login.ask_again(self, request)
        return await self.error_page(request, status, message)

    async def _http_error(self, request: Request, error: Exception) -> Response:
        error = cast("HTTPException", error)
        messages = {
            403: "Your role does not allow this. Ask an admin.",
            404: "There is no such page, or what it showed was deleted.",
            405: "This address is not for reading.",
        }
        return await self.error_page(request, error.status_code, messages.get(error.status_code, error.detail))

    async def _refused(self, request: Request, error: Exception) -> Response:
        error = cast("RefusedError", error)
        return await self.error_page(request, error.status, error.detail)

    async def _database_error(self, request: Request, error: Exception) -> Response:
        refusal = refusal_for(error)
        if not isinstance(refusal, Unavailable):
            raise error
        text = "The database can't be reached at the moment. Nothing was changed; try again in a minute."
        response = await self.error_page(request, refusal.status, text)
        response.headers["Retry-After"] = str(refusal.retry_after_seconds)
        return response

    async def _unexpected(self, request: Request, _error: Exception) -> Response:
        return await self.error_page(request, 500, "Something went wrong on our side. It was logged.")


def _signed_in(request: Request) -> Any:
    return operator_of(request) if hasattr(request.state, "operator") else None
