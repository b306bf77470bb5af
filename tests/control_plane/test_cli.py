"""What an administrator does on the command line works, and what goes wrong is told in one line."""

import json
from pathlib import Path

import pytest
import typer.main
from cryptography.fernet import Fernet
from typer.testing import CliRunner

from control_plane.cli import app
from control_plane.security.passwords import is_password
from control_plane.security.tokens import token_sha256
from tests.control_plane.commands import run_command
from tests.ports import free_port
from tests.postgres import Postgres, connect


@pytest.fixture
def settings(database: str, tmp_path: Path) -> dict[str, str]:
    return {"DATABASE_URL": database, "DATA_DIR": str(tmp_path / "data")}


async def test_an_operator_is_created_with_a_password_that_is_not_on_the_command_line(
    settings: dict[str, str], database: str
) -> None:
    done = await run_command(
        "create-operator", "maria", "--role", "admin", "--password-stdin", settings=settings, text="a long password\n"
    )
    assert (done.code, done.errors) == (0, "")
    connection = await connect(database)
    row = await connection.fetchrow("SELECT username, role, password_hash FROM operators")
    await connection.close()
    assert row is not None
    assert (row["username"], row["role"]) == ("maria", "admin")
    assert await is_password("a long password", row["password_hash"])


async def test_a_key_and_a_token_are_the_last_line_and_only_their_hashes_are_kept(
    settings: dict[str, str], database: str
) -> None:
    made_key = await run_command("create-api-key", "nightly", "--role", "admin", settings=settings)
    made_client = await run_command("create-client", "Yard", "--site", "Berlin", settings=settings)
    connection = await connect(database)
    key_hash = await connection.fetchval("SELECT key_sha256 FROM api_keys WHERE role = 'admin'")
    token_hash = await connection.fetchval(
        "SELECT token_sha256 FROM client_tokens JOIN clients ON clients.id = client_id"
        " JOIN sites ON sites.id = site_id WHERE sites.name = 'Berlin'"
    )
    await connection.close()
    assert token_sha256(made_key.output.splitlines()[-1]) == key_hash
    assert token_sha256(made_client.output.splitlines()[-1]) == token_hash


async def test_a_key_ends_by_itself_or_by_command(settings: dict[str, str], database: str) -> None:
    made = await run_command("create-api-key", "nightly", "--expires-in-days", "2", settings=settings)
    assert made.code == 0
    for _ in range(2):
        revoked = await run_command("revoke-api-key", "nightly", settings=settings)
        assert (revoked.code, revoked.errors) == (0, "")
    connection = await connect(database)
    row = await connection.fetchrow(
        "SELECT expires_at - created_at AS lives, revoked_at IS NOT NULL AS over FROM api_keys"
    )
    events = await connection.fetchval("SELECT count(*) FROM events WHERE kind = 'api_key.revoked'")
    await connection.close()
    assert row is not None
    assert (round(row["lives"].total_seconds() / 86_400, 2), row["over"], events) == (2, True, 1)


@pytest.mark.parametrize(
    ("arguments", "text", "says"),
    [
        (["create-operator", "maria", "--password-stdin"], "short\n", "at least 10 characters"),
        (["create-operator", "maria"], "", "--password-stdin"),
        (["create-client", "Yard", "--site", "Berlin", "--timezone", "Mars/North"], "", "timezone"),
        (["create-api-key", " "], "", "name"),
        (["revoke-api-key", "none"], "", "There is no key named 'none'"),
    ],
)
async def test_what_is_wrong_is_told_in_one_line(
    settings: dict[str, str], arguments: list[str], text: str, says: str
) -> None:
    done = await run_command(*arguments, settings=settings, text=text)
    assert done.code == 1
    assert done.errors.startswith("error: ")
    assert done.errors.count("\n") == 1
    assert says in done.errors


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"PORT": "many"}, "PORT"),
        ({"DATABASE_URL": "mysql://a:b@localhost/x"}, "PostgreSQL"),
        ({"DATABASE_URL": "no url"}, "DATABASE_URL can't be read: it begins with postgresql+asyncpg://"),
        ({"DATABASE_URL": "postgresql://a:b@localhost:port/x"}, "DATABASE_URL can't be read"),
        ({"DATABASE_URL": "postgresql://a:b@localhost:99999/x"}, "DATABASE_URL can't be used"),
        ({"DATABASE_URL": "postgresql://a:b@localhost:1/x?sslmode=loud"}, "`sslmode` parameter must be one of"),
    ],
)
async def test_a_wrong_setting_is_named(settings: dict[str, str], changes: dict[str, str], says: str) -> None:
    done = await run_command("create-api-key", "x", settings={**settings, **changes})
    assert done.code == 1
    assert done.errors.startswith("error: ")
    assert says in done.errors
    assert "b@" not in done.errors


async def test_a_database_that_is_not_there_is_told_without_its_password(settings: dict[str, str]) -> None:
    url = f"postgresql://me:hunter2@127.0.0.1:{free_port()}/fleet"
    done = await run_command("create-api-key", "x", settings={**settings, "DATABASE_URL": url})
    assert done.code == 1
    assert "could not be reached" in done.errors
    assert "hunter2" not in done.errors


async def test_migrate_makes_an_empty_database_ready(settings: dict[str, str], postgres: Postgres) -> None:
    async with postgres.database(empty=True) as url:
        on_empty = {**settings, "DATABASE_URL": url.replace("+asyncpg", "")}
        refused = await run_command("create-api-key", "x", settings=on_empty)
        assert "run `control-plane migrate`" in refused.errors
        for _ in range(2):
            assert (await run_command("migrate", settings=on_empty)).code == 0
        assert (await run_command("create-api-key", "x", settings=on_empty)).code == 0


async def test_a_secret_key_is_one_that_works(settings: dict[str, str]) -> None:
    done = await run_command("create-secret-key", settings={})
    Fernet(done.output.strip()).encrypt(b"a password")


@pytest.mark.parametrize(("api", "title"), [("local-client", "Local Client API"), ("cctv", "CCTV API")])
async def test_the_documents_are_printed_without_a_database(api: str, title: str) -> None:
    done = await run_command("openapi", api, settings={})
    assert json.loads(done.output)["info"]["title"] == title


@pytest.mark.parametrize(
    "command", ["", *(command.name or "" for command in typer.main.get_group(app).commands.values())]
)
def test_every_command_explains_itself(command: str) -> None:
    shown = CliRunner().invoke(app, [*command.split(), "--help"])
    assert shown.exit_code == 0
    assert len(shown.output) > 200
