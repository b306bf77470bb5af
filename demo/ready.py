"""Whether the demo's services are up, and what the recorder says of itself."""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

import httpx

from demo.processes import Child, DemoError, InterruptedDemoError, tail


async def wait_until_healthy(url: str, child: Child, enough: asyncio.Event, *, seconds: float) -> None:
    """Wait until `url` answers 200. Raise DemoError when the child ends, or takes longer than `seconds`."""
    limit = time.monotonic() + seconds
    async with httpx.AsyncClient(timeout=2) as http:
        while time.monotonic() < limit:
            child.raise_if_ended()
            if enough.is_set():
                raise InterruptedDemoError("interrupted")
            try:
                if (await http.get(url)).status_code == httpx.codes.OK:
                    return
            except httpx.TransportError:
                pass  # not listening yet
            await asyncio.sleep(0.1)
    raise DemoError(f"the {child.name} was not healthy within {seconds:.0f} s; its log says:\n{tail(child)}")


@dataclass(frozen=True, slots=True)
class RecorderStatus:
    """The parts of the recorder's `/status` that the demo shows."""

    active_recordings: int = 0
    backlog_segments: int = 0
    conditions: dict[str, str] = field(default_factory=dict)
    """By camera id."""
    reasons: dict[str, str] = field(default_factory=dict)
    """By camera id: why it is in that condition, where there is something to say."""
    answered: bool = False

    @property
    def is_idle(self) -> bool:
        """Whether nothing is being recorded and nothing waits for upload."""
        return self.answered and self.active_recordings == 0 and self.backlog_segments == 0


async def recorder_status(url: str) -> RecorderStatus:
    """Ask the recorder; an empty status when it does not answer just now."""
    async with httpx.AsyncClient(timeout=5) as http:
        try:
            body: dict[str, Any] = (await http.get(f"{url}/status")).raise_for_status().json()
        except httpx.HTTPError:
            return RecorderStatus()
    return RecorderStatus(
        active_recordings=body["active_recordings"],
        backlog_segments=body["backlog"]["segments"],
        conditions={state["camera_id"]: state["condition"] for state in body["camera_states"]},
        reasons={state["camera_id"]: state["reason"] for state in body["camera_states"] if state["reason"]},
        answered=True,
    )
