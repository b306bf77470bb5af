"""`api-keys/`: the keys of scripts."""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Annotated, ClassVar
from uuid import UUID

from fastapi import APIRouter, Body, status
from pydantic import Field
from sqlalchemy import select

from camfleet_contract.messages import Text, Utc
from control_plane.cctv import examples
from control_plane.cctv.answers import Answer
from control_plane.cctv.callers import KeyRoute, WholeFleetAdmin
from control_plane.cctv.paging import IdCursor, Limit, NameSearch, Page, containing, page_by_id
from control_plane.cctv.refusals import CONFLICT, NOT_FOUND, NOT_JSON
from control_plane.database import Session
from control_plane.errors import Forbidden, Invalid
from control_plane.fleet.fields import Fields
from control_plane.models import ApiKey, Role
from control_plane.security import api_keys
from control_plane.security.limits import MOST_SITES
from control_plane.security.principals import Principal
from control_plane.security.scopes import FEATURES, SCOPES, Scope, allows, wanted

router = APIRouter(route_class=KeyRoute, tags=["api-keys"])


class NewApiKey(Fields):
    """A key to make."""

    is_change: ClassVar[bool] = False

    name: Annotated[Text, Field(min_length=1, max_length=100, examples=["nightly report"])]
    """Tells in the audit log who did something; it can't be used again, also when the key is revoked."""
    role: Role = Role.VIEWER
    expires_at: Utc | None = None
    """null: never."""
    site_ids: Annotated[list[UUID], Field(min_length=1, max_length=MOST_SITES)] | None = None
    """The only sites that exist for whoever has the key; null: all, also those that are made later."""
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=len(SCOPES))] | None = None
    """What it may be used for; null: all that its role may."""


class ApiKeyAnswer(Answer):
    """A key, without the key itself."""

    id: UUID
    name: str
    prefix: Annotated[str, Field(examples=["cfk_Vb0x5a"])]
    """The first characters of the key."""
    role: Role
    site_ids: list[UUID] | None
    scopes: list[str] | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    """To some minutes."""


class NewApiKeyAnswer(ApiKeyAnswer):
    """A key that was just made. This is the only time that it is shown."""

    key: Annotated[str, Field(examples=["cfk_Vb0x5a…"])]


@router.get("/api-keys/")
async def list_api_keys(
    session: Session,
    _caller: WholeFleetAdmin,
    q: NameSearch = "",
    cursor: IdCursor | None = None,
    limit: Limit = 50,
) -> Page[ApiKeyAnswer]:
    """List the keys, oldest first; those that are revoked or expired too."""
    query = select(ApiKey)
    if q:
        query = query.where(ApiKey.name.ilike(containing(q)))
    found, next_cursor = await page_by_id(session, query, ApiKey.id, cursor, limit)
    return Page(items=[ApiKeyAnswer.model_validate(key) for key in found], next_cursor=next_cursor)


@router.post("/api-keys/", status_code=status.HTTP_201_CREATED, responses=NOT_JSON | CONFLICT)
async def create_api_key(
    session: Session,
    caller: WholeFleetAdmin,
    new: Annotated[NewApiKey, Body(openapi_examples=examples.NEW_API_KEY)],
) -> NewApiKeyAnswer:
    """Make a key. The answer holds it, and it is never shown again. A key with scopes makes none that may more."""
    _check_reach(caller, new)
    if new.expires_at is not None and new.expires_at <= datetime.now(UTC):
        raise Invalid("expires_at", "is over already")
    key, token = await api_keys.make_api_key(
        session,
        new.name,
        new.role,
        new.expires_at,
        actor=caller.actor,
        site_ids=new.site_ids,
        scopes=new.scopes,
    )
    return NewApiKeyAnswer(**ApiKeyAnswer.model_validate(key).model_dump(), key=token.text)


@router.get("/api-keys/{key_id}/", responses=NOT_FOUND)
async def show_api_key(session: Session, _caller: WholeFleetAdmin, key_id: UUID) -> ApiKeyAnswer:
    """Show a key."""
    return ApiKeyAnswer.model_validate(await api_keys.find_api_key(session, key_id))


@router.post("/api-keys/{key_id}/revoke/", responses=NOT_FOUND)
async def revoke_api_key(session: Session, caller: WholeFleetAdmin, key_id: UUID) -> ApiKeyAnswer:
    """Refuse the key from now on. Revoking twice is safe."""
    key = await api_keys.find_api_key(session, key_id, for_change=True)
    api_keys.revoke(session, key, now=datetime.now(UTC), actor=caller.actor)
    await session.flush()
    return ApiKeyAnswer.model_validate(key)


def _check_reach(caller: Principal, new: NewApiKey) -> None:
    if caller.scopes is None:
        return
    beyond = _reach(new.scopes) - _reach(caller.scopes)
    if beyond:
        raise Forbidden(f"This key can't make one that may more than itself: {', '.join(sorted(beyond)[:5])}.")


def _reach(scopes: Collection[str] | None) -> set[str]:
    """All that a key with these scopes may be used for, feature by feature."""
    return {
        wanted(feature, writing=writing)
        for feature in FEATURES
        for writing in (False, True)
        if allows(scopes, feature, writing=writing)
    }
