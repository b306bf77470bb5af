"""What the console's views have in common: forms that save through the fleet's functions, lists that stay fast."""

import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, ClassVar

from sqladmin import ModelView
from sqladmin.flash import Flash
from sqladmin.pagination import Pagination
from sqlalchemy import Select, String, cast, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from wtforms import Form

from control_plane.console.filters import Filter
from control_plane.console.sessions import principal_of
from control_plane.errors import Invalid
from control_plane.events import Actor
from control_plane.fleet.visibility import of_model
from control_plane.security.principals import Principal
from control_plane.services import Services

Lookup = Callable[[AsyncSession, Principal, str, Mapping[str, str]], Awaitable[list[dict[str, str]]]]
"""What a search box offers somebody for a term: `id` and `text` of each."""

_LONGEST_SEARCH = 200


class ConsoleView(ModelView):
    """A view whose changes go through the fleet's functions, in one transaction, with an audit event."""

    # An export would be one more way for everything to leave at once, and nobody has asked for it.
    can_export = False
    can_import = False
    page_size = 25
    page_size_options: ClassVar[Sequence[int]] = [25, 50, 100]
    list_template = "console/list.html"
    details_template = "console/details.html"
    form_template: ClassVar[str] = "console/form.html"

    form_columns: ClassVar[Any] = ["id"]

    form_class: ClassVar[type[Form]]
    console_filters: ClassVar[Sequence[Filter]] = ()
    lookups: ClassVar[dict[str, Lookup]] = {}
    explanation: ClassVar[str] = ""
    """One sentence under the list's title."""
    empty_text: ClassVar[str] = "There are none yet."
    """What the list says when there is nothing, and what comes before."""
    unique_field: ClassVar[str] = ""
    """The field that is wrong when what was typed is taken already."""

    def __init__(self) -> None:
        super().__init__()
        # `base_query` says what is loaded; SQLAdmin would load each related row of a list once more.
        self._list_relations = []
        self._details_relations = []

    @property
    def services(self) -> Services:
        """The shared parts of this process."""
        services: Services = self._admin_ref.services  # type: ignore[attr-defined]  # our Admin has them
        return services

    @property
    def noun(self) -> str:
        """What one of them is called within a sentence: small letters, but for an abbreviation in front."""
        first = self.name.split()[0]
        return self.name if first.isupper() else self.name.lower()

    # What is read

    def base_query(self) -> Select[Any]:
        """The rows with what their cells need from other tables, so that a row costs no query of its own."""
        return select(self.model)

    def list_query(self, request: Request) -> Select[Any]:
        """The rows of the list."""
        return self._seen(self.base_query(), request)

    def details_query(self, request: Request) -> Select[Any]:
        """The one row of a details page."""
        return self._seen(self._stmt_by_identifier(request.path_params["pk"]), request)

    def form_edit_query(self, request: Request) -> Select[Any]:
        """The one row of a form; SQLAdmin's own would load every related row."""
        return self._seen(self._stmt_by_identifier(request.path_params["pk"]), request)

    def _seen(self, query: Select[Any], request: Request) -> Select[Any]:
        """Without what does not exist for the operator: what belongs to another site."""
        return query.where(of_model(principal_of(request), self.model))

    def _stmt_by_identifier(self, identifier: str) -> Select[Any]:
        try:
            wanted = uuid.UUID(identifier)
        except ValueError:
            raise HTTPException(404) from None
        return self.base_query().where(self.model.id == wanted)  # type: ignore[attr-defined]  # each of our tables has

    async def get_object_for_details(self, request: Request) -> Any:
        """The row with its `extras`, read once for each request though SQLAdmin asks twice."""
        if not hasattr(request.state, "row"):
            request.state.row = row = await super().get_object_for_details(request)
            if row is None:
                raise HTTPException(404)
            request.state.extras = await self.extras([row], request)
        return request.state.row

    # Forms

    async def form_for(self, request: Request, obj: Any) -> Form:
        """The form, filled with what was sent, else with the object, else with what the address asks for."""
        sent = await request.form() if request.method == "POST" else None
        data = self.initial(obj) if obj is not None else dict(request.query_params)
        return self.form_class(sent, data=data)

    def initial(self, obj: Any) -> dict[str, Any]:
        """The form's values of an object that is there; never a secret."""
        return {name: getattr(obj, name) for name in self.form_class()._fields if hasattr(obj, name)}

    async def form_context(self, request: Request, obj: Any) -> dict[str, Any]:
        """What the form's page needs besides the form."""
        return {}

    async def create(self, session: AsyncSession, form: Form, actor: Actor, request: Request) -> Any:
        """Make what the form describes."""
        raise NotImplementedError

    async def change(self, session: AsyncSession, obj: Any, form: Form, actor: Actor, request: Request) -> Any:
        """Change the object as the form says."""
        raise NotImplementedError

    async def remove(self, session: AsyncSession, obj: Any, actor: Actor) -> None:
        """Delete the object."""
        raise NotImplementedError

    def after_saving(self, request: Request, saved: Any, *, is_new: bool, again: bool) -> Response:
        """Where to go once it is saved."""
        Flash.success(request, f"{self.name} {saved} was {'created' if is_new else 'saved'}.")
        if again:
            url = request.url_for("admin:create", identity=self.identity).include_query_params(**self.again_with(saved))
            return RedirectResponse(url, status_code=303)
        return RedirectResponse(
            request.url_for("admin:details", identity=self.identity, pk=str(saved.id)), status_code=303
        )

    def again_with(self, saved: Any) -> dict[str, str]:
        """What the next form begins with when several are made in a row."""
        return {}

    # Lists

    async def list(self, request: Request) -> Pagination:
        """One page of rows, with what `extras` reads for all of them at once."""
        page = await super().list(request)
        request.state.extras = await self.extras(page.rows, request)
        return page

    def check_parameters(self, request: Request) -> None:
        """Refuse with 400 what would otherwise reach the database as nonsense."""
        if any("\0" in value for value in request.query_params.values()):
            raise HTTPException(400, "The address contains a character that no name has.")
        for filter_ in self.console_filters:
            filter_.check(request.query_params.get(filter_.name))

    async def extras(self, rows: Sequence[Any], request: Request) -> dict[uuid.UUID, Any]:
        """What the rows' cells show from other tables, read in one query for the page."""
        return {}

    def get_filters(self) -> Any:
        """The filters, where SQLAdmin looks for them."""
        return list(self.console_filters)

    async def list_context(self, request: Request) -> dict[str, Any]:
        """The filters' choices. SQLAdmin asks for them before it asks for the rows."""
        self.check_parameters(request)
        async with self.services.sessions() as session:
            shown = [
                await filter_.shown(session, request.query_params.get(filter_.name), principal_of(request))
                for filter_ in self.console_filters
            ]
        return {"filters": [one for one in shown if one is not None]}

    def search_query(self, stmt: Select[Any], term: str) -> Select[Any]:
        """Names that contain the term, which is taken literally."""
        words = term[:_LONGEST_SEARCH].strip()
        columns = [getattr(self.model, name) for name in self._search_fields]
        return stmt.where(or_(*(cast(column, String).icontains(words, autoescape=True) for column in columns)))


def show_problems(form: Form, error: Invalid) -> None:
    """Put each problem next to the field that it names."""
    for problem in error.problems:
        name = problem.field.partition(".")[0]
        text = problem.message[:1].upper() + problem.message[1:]
        if name in form:
            field = form[name]
            field.errors = [*field.errors, text]
        else:
            form.form_errors.append(f"{problem.field}: {problem.message}" if problem.field else text)


def identifier(text: str) -> uuid.UUID | None:
    """A form's or an address's text as an id; None if it is none."""
    try:
        return uuid.UUID(text)
    except ValueError:
        return None
