"""What recorders say of their uploads, and what was asked of them first, as people look at it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from markupsafe import Markup
from pydantic import BaseModel, ValidationError
from sqlalchemy import ColumnElement, func, literal, select
from sqlalchemy.ext.asyncio import AsyncSession

from camfleet_contract.heartbeats import FootageAtRisk, Uplink
from control_plane.console import display
from control_plane.fleet.contact import Contact, has_contact
from control_plane.fleet.visibility import at_sites
from control_plane.models import Client, ClientContact, Fetch, Site
from control_plane.recordings.fetches import FetchState, state_of
from control_plane.security.principals import Principal

SHOWN = 8
_COLOURS = {
    FetchState.ASKED: "yellow",
    FetchState.WAITING: "azure",
    FetchState.DONE: "green",
    FetchState.NOTHING: "secondary",
    FetchState.CANCELLED: "secondary",
    FetchState.EXPIRED: "red",
}
_TITLES = {
    FetchState.ASKED: "asked",
    FetchState.WAITING: "on its way",
    FetchState.DONE: "stored",
    FetchState.NOTHING: "nothing there",
    FetchState.CANCELLED: "cancelled",
    FetchState.EXPIRED: "recorder did not come",
}


class _Told(BaseModel):
    """The parts of a heartbeat, as it was kept; a newer recorder's may make no sense here."""

    uplink: Uplink | None = None
    at_risk: FootageAtRisk | None = None


@dataclass(frozen=True, slots=True)
class Uploads:
    """How a recorder uploads."""

    uplink: Uplink | None
    at_risk: FootageAtRisk | None
    zone: str

    @property
    def hours(self) -> Markup:
        """Whether it may upload now, and until when."""
        if self.uplink is None:
            return display.nothing()
        now = display.badge("open", "green") if self.uplink.is_open else display.badge("closed", "secondary")
        if self.uplink.changes_at is None:
            return now
        return Markup("{} until {}").format(now, display.moment(self.uplink.changes_at, self.zone))

    @property
    def needed(self) -> str:
        """What would save the footage that is at risk."""
        return _needed(self.at_risk)


@dataclass(frozen=True, slots=True)
class Wanted:
    """One interval that was asked for."""

    fetch: Fetch
    state: FetchState

    @property
    def shown(self) -> Markup:
        """Its state as a coloured word, with what is left."""
        badge = display.badge(_TITLES[self.state], _COLOURS[self.state])
        if self.state is not FetchState.WAITING or not self.fetch.segments_left:
            return badge
        left = f"{self.fetch.segments_left} left, {display.size(self.fetch.bytes_left)}"
        return Markup('{} <span class="text-secondary">{}</span>').format(badge, left)

    @property
    def is_open(self) -> bool:
        """Whether it may be cancelled."""
        return self.state in {FetchState.ASKED, FetchState.WAITING}


def uploads_of(client: Client, heartbeat: dict[str, Any]) -> Uploads:
    """What the recorder's last heartbeat says."""
    told = _told(heartbeat)
    return Uploads(told.uplink, told.at_risk, client.site.timezone)


async def wanted(session: AsyncSession, which: ColumnElement[bool], now: datetime) -> list[Wanted]:
    """The newest that were asked for."""
    found = await session.scalars(
        select(Fetch).where(which).order_by(Fetch.asked_at.desc(), Fetch.id.desc()).limit(SHOWN)
    )
    return [Wanted(fetch, state_of(fetch, now)) for fetch in found]


async def at_risk(
    session: AsyncSession, now: datetime, seen_by: Principal
) -> Sequence[tuple[Client, Site, FootageAtRisk, str]]:
    """The recorders that are online and say so, with what would save it; the nearest loss first."""
    told = ClientContact.heartbeat["at_risk"]
    rows = await session.execute(
        select(Client, Site, ClientContact.heartbeat)
        .join(Site, Site.id == Client.site_id)
        .join(ClientContact, ClientContact.client_id == Client.id)
        .where(
            Client.is_active,
            has_contact(ClientContact.last_contact_at, Contact.ONLINE, now),
            func.jsonb_typeof(told) == literal("object"),
            at_sites(seen_by, Client.site_id),
        )
        .order_by(told["loss_at"].astext, Client.id)
        .limit(SHOWN)
    )
    found = [(client, site, _told(heartbeat).at_risk) for client, site, heartbeat in rows]
    return [(client, site, risk, _needed(risk)) for client, site, risk in found if risk is not None]


def _needed(at_risk: FootageAtRisk | None) -> str:
    if at_risk is None:
        return ""
    if at_risk.needed_bytes_per_second is None:
        return "no uplink in its upload hours would save it: lengthen them"
    return f"{display.bits(at_risk.needed_bytes_per_second)} of uplink would save it"


def _told(heartbeat: dict[str, Any]) -> _Told:
    try:
        return _Told.model_validate(heartbeat)
    except ValidationError:
        return _Told()
