"""After a full run with known secrets none lies about: not in database, logs, answers, error pages, exports, files."""

import io
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from demo.processes import call
from tests.fleet.conftest import Fleet
from tests.fleet.processes import until
from tests.postgres import connect
from tests.recorder.gcs_tokens import ACCESS_TOKEN

CAMERA_PASSWORD, WRONG_PASSWORD, OPERATOR_PASSWORD = "s3cret/pass", "wr0ng/pass-of-the-camera", "0perators-own-password"
TOKEN = re.compile(rb"cf[rka]_[A-Za-z0-9_-]{20,}")
HEX = re.compile(rb"\\\\x((?:[0-9a-f]{2})+)")


@dataclass
class Seen:
    """What was answered, with the name of who was asked."""

    answers: list[tuple[str, bytes]] = field(default_factory=list)

    def __call__(self, answer: httpx.Response) -> httpx.Response:
        heads = "\n".join(f"{name}: {value}" for name, value in answer.headers.items())
        self.answers.append((f"{answer.request.method} {answer.request.url.path}", heads.encode() + answer.content))
        return answer


async def everything_stored(fleet: Fleet) -> list[tuple[str, bytes]]:
    """Every row of every table, as text and with its bytes as they are."""
    connection = await connect(fleet.database)
    try:
        tables = await connection.fetch(
            "SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables"
            " WHERE schemaname IN ('public', 'jobs')"
        )
        found = []
        for table in tables:
            rows = await connection.fetch(f"SELECT row_to_json(t)::text AS row FROM {table['name']} AS t")  # noqa: S608 - our own
            text = "\n".join(row["row"] for row in rows).encode()
            raw = b"\n".join(bytes.fromhex(match[1].decode()) for match in HEX.finditer(text))
            found.append((f"table {table['name']}", text + raw))
        return found
    finally:
        await connection.close(timeout=5)


def everything_on_disk(folder: Path) -> Iterator[tuple[str, bytes]]:
    """All files of both sides."""
    for file in folder.rglob("*"):
        if file.is_file() and not file.is_symlink():
            yield str(file.relative_to(folder)), file.read_bytes()


def found(secret: str, content: bytes) -> bool:
    """Whether it stands there, as it is or as in a URL."""
    return any(one.encode() in content for one in (secret, quote(secret, safe=""), quote(secret)))


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def command_over(fleet: Fleet, command_id: str) -> bool:
    found = await fleet.chief.call("GET", f"commands/{command_id}/", params={"wait": 5})
    return found["state"] in {"done", "failed", "expired"}


async def is_refused(fleet: Fleet) -> bool:
    states = (await fleet.recorder.status())["camera_states"]
    return any(state["condition"] == "refused" for state in states)


async def ask_everything(fleet: Fleet, seen: Seen) -> None:
    """Whatever can be read, by the API and in the console, and pages of errors."""
    http = fleet.chief._http
    document = seen(await http.get("openapi.json")).json()
    for path, item in document["paths"].items():
        if "get" in item and "{" not in path:
            seen(await http.get(path.lstrip("/")))
    for path in (f"cameras/{fleet.camera_id}/", f"clients/{fleet.client_id}/", "cameras/none/", "nothing/here/"):
        seen(await http.get(path))
    seen(await http.patch(f"cameras/{fleet.camera_id}/", json={"password": CAMERA_PASSWORD, "port": -1}))
    seen(await http.patch(f"cameras/{fleet.camera_id}/", content=f'{{"password": "{CAMERA_PASSWORD}"'))
    async with httpx.AsyncClient(base_url=fleet.control_plane.url) as stranger:
        seen(await stranger.get("/v0/api/local-client/config", headers=bearer(CAMERA_PASSWORD)))
        for path in ("/admin/", "/admin/login", "/nothing", "/health/", "/health/ready"):
            seen(await stranger.get(path, follow_redirects=True))
    async with httpx.AsyncClient(base_url=fleet.recorder.url) as local:
        for path in ("/health", "/status", "/schedules", "/metrics", "/openapi.json"):
            seen(await local.get(path))


@pytest.mark.timeout(300)
async def test_after_a_full_run_no_secret_lies_about(brokered_fleet: Fleet, tmp_path: Path) -> None:
    fleet, seen = brokered_fleet, Seen()
    http = fleet.chief._http
    key = http.headers["Authorization"].removeprefix("Bearer ")
    first_token = fleet.recorder.env["CLIENT_TOKEN"]
    make = ("control-plane", "create-operator", "maria", "--role", "admin", "--password-stdin")
    await call(*make, env=fleet.control_plane.env, folder=tmp_path, text=OPERATOR_PASSWORD + "\n")
    login = await http.post("login/", json={"username": "maria", "password": OPERATOR_PASSWORD})
    tokens = login.json()
    seen(await http.post("login/", json={"username": "maria", "password": WRONG_PASSWORD}))

    await fleet.record(segment_seconds=2)
    await fleet.recorder.start()
    await until("two segments are stored", partial(fleet.stored, 2))
    config = await http.get(f"{fleet.control_plane.url}/v0/api/local-client/config", headers=bearer(first_token))
    assert found(CAMERA_PASSWORD, config.content), (
        "the recorder alone is told, and this is how it would be found elsewhere"
    )
    for what in ("test", "snapshot"):
        asked = seen(await http.post(f"cameras/{fleet.camera_id}/{what}/")).json()
        await until(f"{what} is over", partial(command_over, fleet, asked["id"]))
        seen(await http.get(f"commands/{asked['id']}/"))
    rotated = seen(await http.post(f"clients/{fleet.client_id}/rotate-token/", params={"deliver": True})).json()
    await until("the token was renewed", partial(command_over, fleet, rotated["id"]))
    recording = (await fleet.chief.collection("recordings/", camera_id=fleet.camera_id))[0]["id"]
    links = (await http.post(f"recordings/{recording}/play/")).json()["items"]
    assert seen(await http.get(links[0]["url"])).status_code == 200
    exported = await http.post(
        f"cameras/{fleet.camera_id}/export/",
        params={"from": fleet.created_at.isoformat(), "until": "2099-01-01T00:00:00Z"},
    )
    with zipfile.ZipFile(io.BytesIO(exported.content)) as archive:
        export = [(f"export {name}", archive.read(name)) for name in archive.namelist()]
    seen(await http.patch(f"cameras/{fleet.camera_id}/", json={"username": "viewer", "password": WRONG_PASSWORD}))
    wrong = fleet.simulator.url("yard").replace(quote(CAMERA_PASSWORD, safe=""), quote(WRONG_PASSWORD, safe=""))
    seen(await http.patch(f"cameras/{fleet.camera_id}/", json={"rtsp_url": wrong}))
    await until("the camera refuses", partial(is_refused, fleet))
    await ask_everything(fleet, seen)
    await fleet.recorder.stop()
    await fleet.control_plane.stop()

    secrets = {
        CAMERA_PASSWORD, WRONG_PASSWORD, OPERATOR_PASSWORD, key, first_token, tokens["access_token"],
        tokens["refresh_token"], fleet.control_plane.env["SECRET_KEYS"], ACCESS_TOKEN, "AHmUCY-secret-session",
    }  # fmt: skip
    sources: list[tuple[str, bytes]] = [
        *seen.answers,
        *export,
        *await everything_stored(fleet),
        *everything_on_disk(tmp_path),
        ("the recorder's log", fleet.recorder.log.encode()),
        ("the control plane's log", fleet.control_plane.log.encode()),
    ]
    told = [(where, secret) for where, content in sources for secret in secrets if found(secret, content)]
    assert told == []
    # Also those that nobody here has ever seen: the token that was sent to the recorder.
    assert [where for where, content in sources if TOKEN.search(content)] == []
    said = [where for where, _ in sources if where.startswith("table")]
    assert len(said) > 15, "else this test has not looked"
