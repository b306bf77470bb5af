"""No generated input gets a 5xx, or an answer that the OpenAPI document does not know."""

import asyncio
import uuid
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.control_plane.local_client.sites import API, Place, Recorder

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
OPERATIONS = 11
EXAMPLES_EACH = 40
"""Of valid and of invalid input, with a token; a fourth of that without."""


def fuzz(url: str, token: str | None, known: dict[str, str], examples: int) -> dict[int, int]:
    """Call each operation `examples` times with valid and as often with invalid input; how often each status came."""
    schema = schemathesis.openapi.from_url(f"{url}{API}/openapi.json")
    seen: dict[int, int] = {}
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    found: list[Any] = list(schema.get_all_operations())
    operations = [result.ok() for result in found]
    assert len(operations) == OPERATIONS
    for operation in operations:
        for mode in GenerationMode:
            if operation.path == "/health" and mode is GenerationMode.NEGATIVE:
                continue  # nothing can be wrong with a call that takes nothing

            @given(case=operation.as_strategy(generation_mode=mode), with_known=st.booleans())
            @settings(
                max_examples=examples,
                deadline=None,
                database=None,
                phases=[Phase.explicit, Phase.generate, Phase.shrink],
                suppress_health_check=list(HealthCheck),
            )
            def check(case: Any, with_known: bool) -> None:
                if with_known:
                    put_known(case, known)
                # Who has the newest version waits, which is what it is for.
                (case.headers or {}).pop("if-none-match", None)
                (case.headers or {}).pop("If-None-Match", None)
                response = case.call_and_validate(headers=headers, checks=CHECKS, timeout=30)
                seen[response.status_code] = seen.get(response.status_code, 0) + 1
                if token is None and case.path != "/health":
                    assert response.status_code == 401

            check()
    return seen


def put_known(case: Any, known: dict[str, str]) -> None:
    """Name what exists, so that more than the first check is reached."""
    bodies = [case.body] if isinstance(case.body, dict) else []
    bodies += [item for body in bodies for name in ("segments", "gaps", "events") for item in as_list(body.get(name))]
    for container in [case.query, *bodies]:
        if isinstance(container, dict):
            container.update({name: value for name, value in known.items() if name in container})


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


async def test_no_input_breaks_a_recorders_call(place: Place, camera_id: uuid.UUID, recorder: Recorder) -> None:
    known = {
        "camera_id": str(camera_id),
        "recording_id": str(await recorder.register(camera_id)),
        "schedule_id": str(await place.schedule(camera_id)),
    }
    seen = await asyncio.to_thread(fuzz, place.service.url, recorder.token, known, EXAMPLES_EACH)
    # Otherwise the generated input was all of one kind.
    assert {200, 422} <= set(seen)
    assert sum(seen.values()) > OPERATIONS * EXAMPLES_EACH


async def test_no_input_gets_past_a_missing_token(place: Place) -> None:
    seen = await asyncio.to_thread(fuzz, place.service.url, None, {}, EXAMPLES_EACH // 4)
    assert set(seen) == {200, 401}
