"""`clients/`: the local recording clients."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Body, Query, Request, status
from fastapi.responses import JSONResponse
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.cctv import examples
from control_plane.cctv.answers import ClientAnswer, NewClientAnswer, RevokedAnswer, TokenAnswer
from control_plane.cctv.callers import AdminCaller, KeyRoute, OperatorCaller, Viewer
from control_plane.cctv.command_answers import CommandAnswer
from control_plane.cctv.paging import IdCursor, Limit, NameSearch, Page, containing, page_by_id
from control_plane.cctv.refusals import CONFLICT, NOT_FOUND, NOT_JSON
from control_plane.commands.asking import ask_to_rotate_token
from control_plane.database import Session
from control_plane.fleet import clients
from control_plane.fleet.clients import ClientChange, NewClient
from control_plane.fleet.contact import Contact, has_contact
from control_plane.fleet.recorder_env import recorder_env
from control_plane.fleet.visibility import at_sites, check_site
from control_plane.models import Client, ClientCamera, ClientContact
from control_plane.services import Shared

router = APIRouter(route_class=KeyRoute, tags=["clients"])


@router.get("/clients/")
async def list_clients(
    session: Session,
    caller: Viewer,
    site_id: UUID | None = None,
    camera_id: UUID | None = None,
    status: Contact | None = None,
    q: NameSearch = "",
    cursor: IdCursor | None = None,
    limit: Limit = 50,
) -> Page[ClientAnswer]:
    """List the clients, oldest first."""
    now = datetime.now(UTC)
    query = select(Client).where(at_sites(caller, Client.site_id))
    if site_id:
        query = query.where(Client.site_id == site_id)
    if camera_id:
        query = query.where(Client.id.in_(select(ClientCamera.client_id).where(ClientCamera.camera_id == camera_id)))
    if status:
        known = select(ClientContact.client_id).where(ClientContact.client_id == Client.id)
        said = known.where(has_contact(ClientContact.last_contact_at, status, now)).exists()
        query = query.where(said | ~known.exists() if status is Contact.OFFLINE else said)
    if q:
        query = query.where(Client.name.ilike(containing(q)))
    found, next_cursor = await page_by_id(session, query, Client.id, cursor, limit)
    return Page(items=await _answers(session, found, now), next_cursor=next_cursor)


@router.post("/clients/", status_code=status.HTTP_201_CREATED, responses=NOT_JSON)
async def create_client(
    session: Session,
    services: Shared,
    request: Request,
    caller: AdminCaller,
    new: Annotated[NewClient, Body(openapi_examples=examples.NEW_CLIENT)],
) -> NewClientAnswer:
    """Create a client. The answer holds its token and the recorder's `.env`; neither is ever shown again."""
    check_site(caller, new.site_id)
    client, token = await clients.create_client(
        session,
        new.name,
        new.site_id,
        new.camera_ids,
        actor=caller.actor,
        is_active=new.is_active,
        upload_limit_kbit=new.upload_limit_kbit,
        upload_hours=new.upload_hours,
    )
    answer = await _answer(session, client)
    env = recorder_env(services.settings, _base_url(request), client.id, token.text)
    return NewClientAnswer(**answer.model_dump(), client_token=token.text, env=env)


@router.get("/clients/{client_id}/", responses=NOT_FOUND)
async def show_client(session: Session, caller: Viewer, client_id: UUID) -> ClientAnswer:
    """Show a client."""
    return await _answer(session, await clients.find_client(session, client_id, seen_by=caller))


@router.patch("/clients/{client_id}/", responses=NOT_JSON | NOT_FOUND | CONFLICT)
async def change_client(
    session: Session,
    caller: OperatorCaller,
    client_id: UUID,
    change: Annotated[ClientChange, Body(openapi_examples=examples.CLIENT_CHANGE)],
) -> ClientAnswer:
    """Change what is given; `camera_ids` are all cameras that the client records from now on."""
    client = await clients.find_client(session, client_id, seen_by=caller, for_change=True)
    if "site_id" in change.given():
        check_site(caller, change.site_id)
    return await _answer(session, await clients.change_client(session, client, change, actor=caller.actor))


@router.delete("/clients/{client_id}/", status_code=status.HTTP_204_NO_CONTENT, responses=NOT_FOUND | CONFLICT)
async def delete_client(session: Session, caller: AdminCaller, client_id: UUID) -> None:
    """Delete a client without recordings, and its tokens. One with recordings can be deactivated."""
    client = await clients.find_client(session, client_id, seen_by=caller, for_change=True)
    await clients.delete_client(session, client, actor=caller.actor)


@router.post(
    "/clients/{client_id}/rotate-token/",
    responses=NOT_FOUND
    | CONFLICT
    | {202: {"model": CommandAnswer, "description": "With `deliver`: the command that brings the token."}},
    response_model=TokenAnswer,
)
async def rotate_token(
    session: Session,
    services: Shared,
    request: Request,
    caller: AdminCaller,
    client_id: UUID,
    deliver: Annotated[bool, Query(description="Send it to the recorder, and show it to nobody.")] = False,
) -> TokenAnswer | JSONResponse:
    """Make a new token. The earlier ones stay good for a day, so that the recorder's file can be edited in peace.

    With `deliver` the recorder takes it by itself, within a week if it is offline: it is in no answer, and the earlier
    ones end once the recorder has used it, and not before. Recorders older than commands need their file edited.
    """
    now = datetime.now(UTC)
    if deliver:
        asked = await ask_to_rotate_token(session, services.secrets, client_id, now=now, by=caller)
        return JSONResponse(CommandAnswer.of(asked, now).model_dump(mode="json"), status.HTTP_202_ACCEPTED)
    client = await clients.find_client(session, client_id, seen_by=caller, for_change=True)
    token = await clients.rotate_token(session, client, now=now, actor=caller.actor)
    env = recorder_env(services.settings, _base_url(request), client.id, token.text)
    return TokenAnswer(client_token=token.text, env=env)


@router.post("/clients/{client_id}/revoke-tokens/", responses=NOT_FOUND)
async def revoke_tokens(session: Session, caller: AdminCaller, client_id: UUID) -> RevokedAnswer:
    """Refuse every token of the client from now on, as for a stolen recorder."""
    client = await clients.find_client(session, client_id, seen_by=caller, for_change=True)
    revoked = await clients.revoke_tokens(session, client, now=datetime.now(UTC), actor=caller.actor)
    return RevokedAnswer(revoked=revoked)


def _base_url(request: Request) -> str:
    return f"{request.url.scheme}://{request.url.netloc}"


async def _answer(session: AsyncSession, client: Client) -> ClientAnswer:
    (answer,) = await _answers(session, [client], datetime.now(UTC))
    return answer


async def _answers(session: AsyncSession, found: Sequence[Client], now: datetime) -> list[ClientAnswer]:
    """Two statements, however many clients."""
    ids = [client.id for client in found]
    cameras: defaultdict[UUID, list[UUID]] = defaultdict(list)
    assigned = select(ClientCamera.client_id, ClientCamera.camera_id).where(ClientCamera.client_id.in_(ids))
    for client_id, camera_id in (await session.execute(assigned)).all():
        cameras[client_id].append(camera_id)
    contacts = select(ClientContact.client_id, ClientContact.last_contact_at).where(ClientContact.client_id.in_(ids))
    seen = dict((await session.execute(contacts)).all())
    return [ClientAnswer.of(client, cameras[client.id], seen.get(client.id), now) for client in found]
