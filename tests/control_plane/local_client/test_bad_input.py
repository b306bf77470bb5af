"""Whatever is sent: a 4xx that says what is wrong, and the token is looked at before anything else."""

import asyncio
import itertools
import json
import uuid
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.control_plane.local_client.sites import API, CALLS, Place, Recorder
from tests.control_plane.local_client.statements import counted_statements

SOME_ID = "01936f3e-8a11-7b02-8d11-52c6e1f0a902"
RESULT = f"commands/{SOME_ID}/result"
BODIES = ["heartbeat", "recordings/status", "segments/offer", "gaps", "events", RESULT]
JSON = {"Content-Type": "application/json"}
REFUSED = {"detail": "this token is unknown, revoked or expired"}


async def call(place: Place, method: str, path: str, authorization: bytes | None, **more: Any) -> httpx.Response:
    headers = {b"Authorization": authorization} if authorization is not None else {}
    async with httpx.AsyncClient(base_url=place.service.url, timeout=30) as http:
        return await http.request(method, f"{API}/{path}", headers=headers, **more)


def bearer(recorder: Recorder) -> bytes:
    return f"Bearer {recorder.token}".encode()


def assert_unauthorized(response: httpx.Response) -> None:
    assert response.status_code == 401, response.text
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert isinstance(response.json()["detail"], str)


WRONG = [
    None,
    b"",
    b"Bearer",
    b"Basic dXNlcjpwYXNz",
    b"Bearer wrong",
    b"Bearer \xff\xfe",
    b"cfr_x",
    b"Bearer " + b"x" * 5000,
]


async def test_without_a_good_token_it_is_401(place: Place) -> None:
    for authorization, (method, path) in itertools.product(WRONG, CALLS):
        assert_unauthorized(await call(place, method, path, authorization))


@pytest.mark.parametrize(
    "ending",
    [
        "UPDATE client_tokens SET revoked_at = now()",
        "UPDATE client_tokens SET expires_at = now() - interval '1 second'",
        "UPDATE clients SET is_active = false",
        "DELETE FROM client_tokens",
    ],
)
async def test_a_token_that_is_good_no_more_is_401_and_no_sign_of_life(
    place: Place, recorder: Recorder, ending: str
) -> None:
    await place.rows(ending)
    for method, path in CALLS:
        response = await call(place, method, path, bearer(recorder))
        assert_unauthorized(response)
        assert response.json() == REFUSED
    assert await place.rows("SELECT client_id FROM client_contacts") == []


async def test_several_tokens_are_good_during_a_rotation(place: Place, recorder: Recorder) -> None:
    await place.rows("UPDATE client_tokens SET expires_at = now() + interval '1 hour'")
    for authorization in (bearer(recorder), bearer(recorder).replace(b"Bearer ", b"bearer  ")):
        assert (await call(place, "GET", "schedules", authorization)).status_code == 200


async def garbage(megabytes: int) -> AsyncIterator[bytes]:
    for _ in range(megabytes):
        yield b"\xff" * 1024 * 1024


@pytest.mark.parametrize("body", ["garbage", "10 MB", "10 MB in pieces"])
async def test_the_token_is_looked_at_before_the_body(place: Place, body: str) -> None:
    for path in BODIES:
        content: Any = {"garbage": b"{\xff", "10 MB": b"x" * 10_000_000, "10 MB in pieces": garbage(10)}[body]
        assert_unauthorized(await call(place, "POST", path, b"Bearer wrong", content=content))


async def test_the_token_is_looked_at_before_the_parameters(place: Place) -> None:
    for path in ("recordings/register?camera_id=x", "config?wait=x"):
        method = "GET" if path.startswith("config") else "POST"
        assert_unauthorized(await call(place, method, path, None))


@pytest.mark.parametrize("is_announced", [True, False])
async def test_ten_megabytes_are_413(recorder: Recorder, is_announced: bool) -> None:
    for path in BODIES:
        content: Any = b"x" * 10_000_000 if is_announced else garbage(10)
        response = await recorder.post(path, content=content, headers=JSON)
        assert response.status_code == 413
        assert "too big" in response.json()["detail"]


HOSTILE_BODIES: dict[str, bytes] = {
    "nothing": b"",
    "no JSON": b"{",
    "another type": b"[1, 2]",
    "null": b"null",
    "a string": b'"x"',
    "invalid UTF-8": b'{"client_id": "\xff\xfe"}',
    "a NUL": b'{"recording_id": "\\u0000", "segments": "\\u0000", "last_upload": "\\u0000", "gaps": "\\u0000"}',
    "half a pair": b'{"recording_id": "\\ud800", "segments": "\\ud800", "gaps": "\\ud800", "version": "\\ud800"}',
    "an endless number": b'{"active_recordings": ' + b"9" * 5000 + b', "segments": 1, "gaps": 1}',
    "a huge number": b'{"active_recordings": 99999999999999999999, "segments": 1, "gaps": 1}',
    "infinity": b'{"available_space_gb": 1e999, "segments": 1e999, "gaps": 1e999}',
    "not a number": b'{"available_space_gb": NaN, "segments": NaN, "gaps": NaN}',
    "a deep hole": b'{"segments": ' * 900 + b"1" + b"}" * 900,
    "a bottomless hole": b"[" * 100_000,
}


@pytest.mark.parametrize("path", BODIES)
async def test_a_body_that_makes_no_sense_is_400_or_422(recorder: Recorder, path: str) -> None:
    for body, content in HOSTILE_BODIES.items():
        response = await recorder.post(path, content=content, headers=JSON)
        # Unknown fields are ignored, whatever is in them.
        is_fine = (path, body) == ("heartbeat", "a deep hole")
        assert response.status_code in ({200} if is_fine else {400, 422}), (body, response.text)
        assert is_fine or response.json()["detail"]


HOSTILE_HEARTBEATS: list[dict[str, Any]] = [
    {"system_info": {"a": "\0"}},
    {"system_info": {"\0": 1}},
    {"system_info": {"a": ["\ud800"]}},
    {"system_info": {"a": 10**400}},
    {"system_info": {"a": float("inf")}},
    {"system_info": {"a": float("nan")}},
    {"system_info": {"a": "x" * 100_000}},
    {"system_info": json.loads('{"a":' * 60 + "1" + "}" * 60)},
    {"active_recordings": 2**31},
    {"active_recordings": 2**63},
    {"active_recordings": -1},
    {"active_recordings": "many"},
    {"last_upload": "a\0b"},
    {"last_upload": "x" * 20_000},
    {"clock": "0000-00-00T00:00:00Z"},
    {"clock": "0001-01-01T00:00:00+23:59"},
    {"cameras": [{"camera_id": "x"}]},
    {"disk": {"total_bytes": 2**70, "free_bytes": 1}},
]


async def test_a_heartbeat_that_can_not_be_kept_is_422(place: Place, recorder: Recorder) -> None:
    for field in HOSTILE_HEARTBEATS:
        response = await recorder.post("heartbeat", content=json.dumps(field), headers=JSON)
        assert response.status_code == 422, (field, response.text)
        assert response.json()["detail"][0]["loc"][:2] == ["body", next(iter(field))]
    assert (await place.row("SELECT heartbeat FROM client_contacts"))["heartbeat"] is None


HOSTILE_REGISTRATIONS = [
    ("camera_id", ""),
    ("camera_id", "x"),
    ("camera_id", "\0"),
    ("camera_id", "9" * 10_000),
    ("schedule_id", "x"),
    ("schedule_id", "\0"),
    ("recording_name", "x" * 256),
    ("recording_name", "a\0b"),
    ("recording_id", "x"),
    ("started_at", "yesterday"),
    ("started_at", "2026-03-01T20:00:00"),
    ("started_at", "0001-01-01T00:00:00+23:59"),
    ("started_at", "1970-01-01T00:00:00Z"),
    ("started_at", "9999-12-31T23:59:59Z"),
    ("started_at", "99999999999999999999"),
]


async def test_a_registration_that_makes_no_sense_is_422(
    place: Place, camera_id: uuid.UUID, recorder: Recorder
) -> None:
    for field, value in HOSTILE_REGISTRATIONS:
        parameters = {"camera_id": str(camera_id), "recording_name": "Yard", "recording_id": SOME_ID} | {field: value}
        response = await recorder.post("recordings/register", params=parameters)
        assert response.status_code == 422, (field, value, response.text)
        assert response.json()["detail"][0]["loc"][-1] == field
    assert await place.rows("SELECT id FROM recordings") == []


HOSTILE_REPORTS: list[dict[str, Any]] = [
    {"recording_id": "x"},
    {"status": "done"},
    {"status": None},
    {"progress": -1},
    {"frames_recorded": 2**63},
    {"frames_recorded": 1.5},
    {"file_size": 10**30},
    {"error_message": "a\0b"},
    {"gcp_path": "\0"},
    {"started_at": "1970-01-01T00:00:00Z"},
    {"ended_at": "9999-12-31T23:59:59Z"},
    {"ended_at": "2026-03-01T20:00:00"},
]


async def test_a_report_that_makes_no_sense_is_422_and_changes_nothing(
    place: Place, camera_id: uuid.UUID, recorder: Recorder
) -> None:
    recording_id = await recorder.register(camera_id)
    for field in HOSTILE_REPORTS:
        body = {"recording_id": str(recording_id), "status": "completed"} | field
        response = await recorder.post("recordings/status", json=body)
        assert response.status_code == 422, (field, response.text)
    assert (await place.row("SELECT status FROM recordings"))["status"] == "scheduled"


async def test_a_wait_that_makes_no_sense_is_422(recorder: Recorder) -> None:
    for wait in ("-1", "61", "x", "nan", "inf", "1e99", ""):
        async with asyncio.timeout(40):
            assert (await recorder.get("config", params={"wait": wait})).status_code == 422


async def test_names_in_any_script_are_kept(place: Place, camera_id: uuid.UUID, recorder: Recorder) -> None:
    name = "Двор 院子 🎥 ' OR 1=1 --"
    await recorder.register(camera_id, recording_name=name)
    assert (await place.row("SELECT name FROM recordings"))["name"] == name


async def test_calls_cost_few_statements(place: Place, camera_id: uuid.UUID, recorder: Recorder) -> None:
    for number in range(20):
        await place.schedule(camera_id, f"Schedule {number}")
    recording_id = await recorder.register(camera_id)
    report = {"recording_id": str(recording_id), "status": "recording"}
    calls: list[tuple[str, dict[str, Any] | None, int]] = [
        ("schedules", None, 2),
        ("cameras", None, 2),
        ("config", None, 2),
        ("heartbeat", {}, 2),
        ("recordings/status", report, 3),
        ("recordings/status", report, 2),
    ]
    for path, body, limit in calls:
        with counted_statements(place.service.services.engine) as statements:
            response = await (recorder.get(path) if body is None else recorder.post(path, json=body))
        assert response.status_code == 200
        assert len(statements) <= limit, statements
