"""What an operator does in the demo, over the REST API."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from camfleet_contract.messages import Interval
from camfleet_contract.schedules import ScheduleRule, windows
from camfleet_contract.zones import zone
from demo.processes import DemoError

JSON = dict[str, Any]


@dataclass(frozen=True, slots=True)
class DemoSchedule:
    """A schedule of one camera and since when it is known to the control plane."""

    id: str
    rule: ScheduleRule
    timezone: str
    created_at: datetime

    def due(self, until: datetime) -> list[Interval]:
        """What this schedule asked for from its creation to `until`."""
        if until <= self.created_at:
            return []
        between = Interval(start=self.created_at, end=until)
        return [
            Interval(start=max(window.start, between.start), end=min(window.end, between.end))
            for window in windows(self.rule, zone(self.timezone), between)
        ]


class Operator:
    """Calls the operators' REST API with an API key."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def create(self, what: str, **fields: Any) -> JSON:
        """POST to a collection."""
        return await self.call("POST", f"{what}/", json=fields)

    async def change(self, what: str, key: str, **fields: Any) -> JSON:
        """PATCH one item."""
        return await self.call("PATCH", f"{what}/{key}/", json=fields)

    async def collection(self, path: str, **filters: str) -> list[JSON]:
        """Every item of a collection, page by page."""
        items: list[JSON] = []
        cursor: str | None = None
        while True:
            page = await self.call("GET", path, params=filters | ({"cursor": cursor} if cursor else {}))
            items += page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                return items

    async def schedule(self, camera_id: str, name: str, timezone: str, **rule: Any) -> DemoSchedule:
        """Create a schedule with short segments, so that there is something to see soon."""
        fields = ScheduleRule.model_validate(rule).model_dump(mode="json")
        made = await self.create("schedules", camera_id=camera_id, name=name, segment_seconds=10, **fields)
        return DemoSchedule(made["id"], ScheduleRule.model_validate(made), timezone, datetime.now(UTC))

    async def record_always(self, camera_id: str, **fields: Any) -> str:
        """Record a camera from now on; the schedule's id."""
        made = await self.create(
            "schedules",
            camera_id=camera_id,
            name="Always",
            schedule_type="continuous",
            start_time="00:00:00",
            end_time="00:00:00",
            **fields,
        )
        return str(made["id"])

    async def segments(self, camera_id: str, since: datetime) -> list[JSON]:
        """Every segment that the control plane knows of a camera's recordings."""
        # A recording that was going on before `since` may hold footage of it.
        started_after = (since - timedelta(days=2)).isoformat()
        recordings = await self.collection("recordings/", camera_id=camera_id, started_after=started_after)
        found = [await self.collection(f"recordings/{recording['id']}/segments/") for recording in recordings]
        return [segment for segments in found for segment in segments]

    async def call(self, method: str, path: str, **options: Any) -> JSON:
        """Any call of the API. Raise DemoError with what it answered if it was refused."""
        answer = await self._http.request(method, path, **options)
        if answer.is_error:
            raise DemoError(f"{method} {path} answered {answer.status_code}: {answer.text}")
        body: JSON = answer.json()
        return body


@contextlib.asynccontextmanager
async def operator(base_url: str, api_key: str) -> AsyncIterator[Operator]:
    """An operator with an API key."""
    headers = {"Authorization": f"Bearer {api_key}"}
    async with httpx.AsyncClient(base_url=f"{base_url}/v0/api/cctv/", headers=headers, timeout=10) as http:
        yield Operator(http)
