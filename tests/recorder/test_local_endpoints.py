"""The local endpoints of a running recorder: what they show, and what they refuse."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from tests.ports import free_port
from tests.recorder.control_plane import TOKEN, FakeControlPlane
from tests.recorder.process import (
    PASSWORD,
    RunningRecorder,
    answering,
    configuration,
    environment,
    recorder,
)
from tests.recorder.waiting import until


async def test_the_local_endpoints_answer_and_show_no_secret(
    tmp_path: Path, fake: FakeControlPlane, backend: str, camera_url: str, http_client: httpx.AsyncClient
) -> None:
    fake.document = configuration(camera_url, is_due=False)
    camera_id = json.loads(fake.document)["cameras"][0]["id"]
    variables = environment(tmp_path, backend, TOKEN, free_port())
    async with recorder(tmp_path, variables) as running:
        await answering(running, http_client)
        await until(lambda: fake.calls.count("GET /config") >= 2)
        url = running.status_url
        manual = await http_client.post(f"{url}/manual-record", params={"camera_id": camera_id, "duration_minutes": 5})
        assert manual.status_code == 200
        again = await http_client.post(f"{url}/manual-record", params={"camera_id": camera_id, "duration_minutes": 5})
        assert again.status_code == 409
        status = (await http_client.get(f"{url}/status")).json()
        assert status["active_recordings"] == 1
        assert status["recording_info"][0]["camera_id"] == camera_id
        assert {"status", "schedules", "cameras", "sync_status", "bucket_status"} <= status.keys()
        assert (await http_client.post(f"{url}/stop-recording/{camera_id}")).status_code == 200
        assert (await http_client.post(f"{url}/stop-recording/{camera_id}")).status_code == 404
        metrics = (await http_client.get(f"{url}/metrics")).text
        assert "recorder_control_plane_connected 1\n" in metrics
        pages = [await http_client.get(f"{url}/{page}") for page in ("health", "schedules", "docs", "openapi.json")]
        assert [page.status_code for page in pages] == [200] * 4
        assert "://" not in pages[2].text, "the box may have no internet"
        shown = json.dumps(status) + metrics + "".join(page.text for page in pages)
        assert PASSWORD not in shown
        assert TOKEN not in shown


@pytest.mark.parametrize(
    ("path", "parameters"),
    [
        ("manual-record", {}),
        ("manual-record", {"camera_id": "no-uuid", "duration_minutes": "5"}),
        ("manual-record", {"camera_id": str(uuid4()), "duration_minutes": "5"}),
        ("manual-record", {"camera_id": str(uuid4()), "duration_minutes": "-1"}),
        ("manual-record", {"camera_id": str(uuid4()), "duration_minutes": "9" * 400}),
        ("stop-recording/no-uuid", {}),
        ("stop-recording/%00", {}),
    ],
)
async def test_bad_input_to_the_local_endpoints_is_refused(
    idle: RunningRecorder, http_client: httpx.AsyncClient, path: str, parameters: dict[str, str]
) -> None:
    answer = await http_client.post(f"{idle.status_url}/{path}", params=parameters)
    assert 400 <= answer.status_code < 500


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 400),
        ({"Host": "evil.example:8001"}, 400),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
    ],
)
async def test_another_sites_page_can_do_nothing(
    idle: RunningRecorder, http_client: httpx.AsyncClient, headers: dict[str, str], status: int
) -> None:
    answer = await http_client.post(f"{idle.status_url}/stop-recording/{uuid4()}", headers=headers)
    assert answer.status_code == status


@pytest.fixture(scope="module")
async def idle(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningRecorder]:
    folder = tmp_path_factory.mktemp("idle")
    variables = environment(folder, "http://127.0.0.1:9", TOKEN, free_port())
    async with recorder(folder, variables) as running, httpx.AsyncClient() as client:
        await answering(running, client)
        yield running
