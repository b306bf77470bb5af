"""How the states of recorders and cameras are shown: from the last contact and the last heartbeat."""

import uuid
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from markupsafe import Markup
from sqlalchemy import ARRAY, Text, Uuid, cast, func, literal, select
from sqlalchemy.dialects.postgresql import JSONPATH
from sqlalchemy.ext.asyncio import AsyncSession

from camfleet_contract.heartbeats import CameraCondition
from camfleet_contract.recordings import RecordingStatus
from control_plane.console import display
from control_plane.fleet.contact import Contact, is_online
from control_plane.fleet.contact import contact_at as seen_at
from control_plane.models import Client, ClientCamera, ClientContact, Recording

OPEN = (RecordingStatus.SCHEDULED, RecordingStatus.RECORDING)
_COLOURS = {
    CameraCondition.IDLE: "secondary",
    CameraCondition.CONNECTING: "azure",
    CameraCondition.RECORDING: "green",
}
_CONTACT_COLOURS = {Contact.LATE: "yellow", Contact.OFFLINE: "red"}


def status(client: Client, contact_at: datetime | None, now: datetime) -> Markup:
    """The state of a recorder, for a list."""
    if not client.is_active:
        return display.dot("inactive", "secondary")
    if contact_at is None:
        return display.dot("never seen", "yellow")
    contact = seen_at(contact_at, now)
    if contact is not Contact.ONLINE:
        return display.dot(contact, _CONTACT_COLOURS[contact])
    problems = problems_of(client.contact.heartbeat if client.contact else None)
    if not problems:
        return display.dot("online", "green")
    text = "online, 1 problem" if len(problems) == 1 else f"online, {len(problems)} problems"
    return Markup('<span title="{}">{}</span>').format(
        "\n".join(problem.text for problem in problems), display.dot(text, "yellow")
    )


@dataclass(frozen=True, slots=True)
class CameraNow:
    """What is known of one camera at the moment."""

    clients: int
    """How many recorders it is assigned to."""
    contact_at: datetime | None
    state: dict[str, Any] | None
    """As its recorder's last heartbeat says: a `CameraState`."""
    is_recording: bool

    def is_seen_recording(self, now: datetime) -> bool:
        """Whether its recorder is there and says so; a recording stays open while its camera is unreachable."""
        if not is_online(self.contact_at, now):
            return False
        # Until the next heartbeat, what it said before the window opened is no news.
        return self.condition is CameraCondition.RECORDING or (
            self.is_recording and self.condition in {None, CameraCondition.IDLE, CameraCondition.CONNECTING}
        )

    @property
    def condition(self) -> CameraCondition | None:
        """What its recorder says; None if it says nothing that is known here."""
        try:
            return CameraCondition(str((self.state or {}).get("condition")))
        except ValueError:
            return None

    @property
    def reason(self) -> str:
        """Why it is in this state, as its recorder says."""
        return str((self.state or {}).get("reason") or "")

    @property
    def since(self) -> datetime | None:
        """Since when it is in this state, as its recorder says."""
        return _instant((self.state or {}).get("since"))

    def shown(self, now: datetime) -> Markup:
        """The state as a coloured word, with the reason on hovering."""
        if not self.clients:
            return display.dot("not assigned", "secondary")
        contact = seen_at(self.contact_at, now)
        if contact is not Contact.ONLINE:
            return display.dot(f"recorder {contact}", _CONTACT_COLOURS[contact])
        if self.state is None:
            return display.dot("recording", "green") if self.is_recording else display.dot("no report", "secondary")
        if self.condition is None:
            return display.dot("no report", "secondary")
        return Markup('<span title="{}">{}</span>').format(
            self.reason, display.dot(self.condition, _COLOURS.get(self.condition, "red"))
        )

    def shown_in_full(self, now: datetime, zone_name: str) -> Markup:
        """The state with since when and why."""
        if self.condition is None or not self.clients or not is_online(self.contact_at, now):
            return self.shown(now)
        since = display.moment(self.since, zone_name) if self.since else ""
        return Markup('{} <span class="text-secondary">{} {}</span><div>{}</div>').format(
            self.shown(now), "since" if since else "", since, self.reason
        )


@dataclass(frozen=True, slots=True)
class ToldProblem:
    """Something that a recorder says is wrong with itself."""

    text: str
    since: datetime | None


def problems_of(heartbeat: dict[str, Any] | None) -> list[ToldProblem]:
    """What the recorder's last heartbeat says is wrong with it."""
    told = (heartbeat or {}).get("problems") or []
    return [
        ToldProblem(str(one.get("text") or display.words(str(one.get("code")))), _instant(one.get("since")))
        for one in told
        if isinstance(one, dict)
    ]


def _instant(text: object) -> datetime | None:
    try:
        at = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return at if at.tzinfo else None


def one_of(ids: Collection[uuid.UUID]) -> Any:
    """What a column equals if it is one of them: a single parameter, where `IN` takes one each and 32767 at most."""
    return func.any(cast(list(ids), ARRAY(Uuid)))


async def cameras_now(session: AsyncSession, camera_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, CameraNow]:
    """What is known of these cameras, in two queries. Of each heartbeat only the camera's own state is read."""
    own_state = func.jsonb_path_query_first(
        ClientContact.heartbeat,
        cast(literal("$.cameras[*] ? (@.camera_id == $id)"), JSONPATH),
        func.jsonb_build_object("id", cast(ClientCamera.camera_id, Text)),
    )
    rows = await session.execute(
        select(ClientCamera.camera_id, ClientContact.last_contact_at, own_state)
        .outerjoin(ClientContact, ClientContact.client_id == ClientCamera.client_id)
        .where(ClientCamera.camera_id == one_of(camera_ids))
        # Of several recorders, the one that called last speaks.
        .order_by(ClientContact.last_contact_at.asc().nulls_first())
    )
    recording = set(
        await session.scalars(
            select(Recording.camera_id).where(
                Recording.camera_id == one_of(camera_ids),
                Recording.status.in_(OPEN),
                Recording.status == RecordingStatus.RECORDING,
            )
        )
    )
    found: dict[uuid.UUID, CameraNow] = {}
    for camera_id, contact_at, state in rows:
        earlier = found.get(camera_id)
        found[camera_id] = CameraNow((earlier.clients if earlier else 0) + 1, contact_at, state, camera_id in recording)
    for camera_id in set(camera_ids) - set(found):
        found[camera_id] = CameraNow(0, None, None, camera_id in recording)
    return found
