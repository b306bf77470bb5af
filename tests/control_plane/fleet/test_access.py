"""Recorders' tokens in rotation, a recorder's `.env`, keys and operators."""

import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.errors import Conflict, Invalid, NotFound
from control_plane.events import COMMAND_LINE
from control_plane.fleet.clients import create_client, revoke_tokens, rotate_token
from control_plane.fleet.contact import ONLINE_WITHIN, contact_at, is_online
from control_plane.fleet.recorder_env import recorder_env
from control_plane.fleet.sites import site_named
from control_plane.models import Client, ClientToken, Operator, Role
from control_plane.security.api_keys import create_api_key, recognize_api_key, revoke_api_key
from control_plane.security.operators import change_password, create_operator, recognize_operator
from control_plane.security.tokens import NewToken
from control_plane.settings import Settings

NOW = datetime.now(UTC)
PASSWORD = "correct horse battery"


async def tokens_of(session: AsyncSession, client: Client) -> dict[bytes, tuple[datetime | None, datetime | None]]:
    query = select(ClientToken).where(ClientToken.client_id == client.id).execution_options(populate_existing=True)
    return {token.token_sha256: (token.expires_at, token.revoked_at) for token in await session.scalars(query)}


async def new_client(session: AsyncSession) -> tuple[Client, NewToken]:
    site = await site_named(session, "Harbour", actor=COMMAND_LINE)
    return await create_client(session, "Box", site.id, actor=COMMAND_LINE)


async def test_an_earlier_token_stays_for_the_overlap_and_never_longer_than_it_had(session: AsyncSession) -> None:
    client, first = await new_client(session)
    day = timedelta(days=1)
    second = await rotate_token(session, client, now=NOW, actor=COMMAND_LINE, overlap=day)
    third = await rotate_token(session, client, now=NOW + day / 2, actor=COMMAND_LINE, overlap=day)
    known = await tokens_of(session, client)
    assert known == {
        first.sha256: (NOW + day, None),
        second.sha256: (NOW + day * 1.5, None),
        third.sha256: (None, None),
    }


async def test_revoking_ends_every_live_token_and_only_those(session: AsyncSession) -> None:
    client, first = await new_client(session)
    second = await rotate_token(session, client, now=NOW, actor=COMMAND_LINE, overlap=timedelta(0))
    other, others = await new_client(session)
    assert await revoke_tokens(session, client, now=NOW, actor=COMMAND_LINE) == 1
    assert await tokens_of(session, client) == {first.sha256: (NOW, None), second.sha256: (None, NOW)}
    assert await tokens_of(session, other) == {others.sha256: (None, None)}


async def test_a_site_is_found_by_name_or_made(session: AsyncSession) -> None:
    made = await site_named(session, " Harbour ", timezone="Europe/Berlin", actor=COMMAND_LINE)
    assert await site_named(session, "Harbour", timezone="UTC", actor=COMMAND_LINE) is made
    assert made.timezone == "Europe/Berlin"
    with pytest.raises(Invalid, match="timezone"):
        await site_named(session, "Mill", timezone="Mars/Base", actor=COMMAND_LINE)


@pytest.mark.parametrize(
    ("storage_url", "folder"),
    [("gs://bucket", None), ("file:///srv/footage", "file:///srv/footage"), ("", "file:///srv/data/bucket")],
)
def test_the_env_names_the_folder_only_where_footage_goes_to_one(storage_url: str, folder: str | None) -> None:
    settings = Settings(_env_file=None, storage_url=storage_url, data_dir=Path("/srv/data"), secret_keys=SecretStr("x"))
    client_id = uuid.uuid4()
    lines = dict(
        line.split("=", 1)
        for line in recorder_env(settings, "https://cctv.example.com/", client_id, "cfr_x").splitlines()
        if not line.startswith("#")
    )
    expected = {"BACKEND_API_URL": "https://cctv.example.com", "CLIENT_TOKEN": "cfr_x", "CLIENT_ID": str(client_id)}
    assert lines == expected | ({"STORAGE_URL": folder} if folder else {})


def test_the_public_url_wins_over_the_address_in_use() -> None:
    settings = Settings(_env_file=None, public_url="https://cctv.example.com/")
    assert "BACKEND_API_URL=https://cctv.example.com\n" in recorder_env(settings, "http://10.0.0.1", uuid.uuid4(), "t")


def test_a_recorder_is_offline_when_its_calls_stay_away() -> None:
    assert not is_online(None, NOW)
    assert is_online(NOW - ONLINE_WITHIN + timedelta(seconds=1), NOW)
    assert not is_online(NOW - ONLINE_WITHIN, NOW)
    ages = {None: None} | {seconds: timedelta(seconds=seconds) for seconds in (-5, 0, 89, 90, 180, 181)}
    assert {name: str(contact_at(None if age is None else NOW - age, NOW)) for name, age in ages.items()} == {
        None: "offline",
        -5: "online",
        0: "online",
        89: "online",
        90: "late",
        180: "late",
        181: "offline",
    }


async def test_a_key_is_recognized_until_it_expires_or_is_revoked(session: AsyncSession) -> None:
    ends = NOW + timedelta(hours=1)
    key = await create_api_key(session, " backup ", Role.VIEWER, ends, actor=COMMAND_LINE)
    known = await recognize_api_key(session, key.text, now=NOW)
    assert known is not None
    assert (known.name, known.role) == ("backup", Role.VIEWER)
    assert await recognize_api_key(session, key.text, now=ends) is None
    assert await recognize_api_key(session, key.text + "x", now=NOW) is None
    await revoke_api_key(session, "backup", now=NOW, actor=COMMAND_LINE)
    assert await recognize_api_key(session, key.text, now=NOW) is None
    with pytest.raises(Conflict, match="a key named 'backup'"):
        await create_api_key(session, "backup", Role.VIEWER, actor=COMMAND_LINE)
    with pytest.raises(NotFound):
        await revoke_api_key(session, "other", now=NOW, actor=COMMAND_LINE)


@pytest.mark.parametrize("name", ["", " ", "x" * 101, "a\nb", "a\0b"])
async def test_a_key_needs_a_name_of_one_line(session: AsyncSession, name: str) -> None:
    with pytest.raises(Invalid, match="name"):
        await create_api_key(session, name, Role.VIEWER, actor=COMMAND_LINE)


async def test_an_operator_is_recognized_by_the_password_of_today(session: AsyncSession) -> None:
    operator = await create_operator(session, " ada ", PASSWORD, Role.ADMIN, actor=COMMAND_LINE)
    assert PASSWORD not in operator.password_hash
    assert await recognize_operator(session, "ada", PASSWORD, now=NOW) is operator
    assert operator.last_login_at == NOW
    for username, password in (("ada", "wrong"), ("bob", PASSWORD), ("a\0", PASSWORD), ("ada", PASSWORD + "x" * 1000)):
        assert await recognize_operator(session, username, password, now=NOW) is None
    await change_password(session, operator, "another good one", actor=COMMAND_LINE)
    assert operator.session_epoch == 1
    assert await recognize_operator(session, "ada", PASSWORD, now=NOW) is None
    operator.is_active = False
    assert await recognize_operator(session, "ada", "another good one", now=NOW) is None


@pytest.mark.parametrize(
    ("username", "password"),
    [("ada", "short"), ("ada", "x" * 1001), ("adalovelace", "AdaLovelace"), ("", PASSWORD), ("x" * 101, PASSWORD)],
)
async def test_poor_names_and_passwords_are_refused(session: AsyncSession, username: str, password: str) -> None:
    with pytest.raises(Invalid):
        await create_operator(session, username, password, Role.VIEWER, actor=COMMAND_LINE)
    assert (await session.scalars(select(Operator))).all() == []


async def test_names_of_operators_are_unique(session: AsyncSession) -> None:
    await create_operator(session, "ada", PASSWORD, Role.VIEWER, actor=COMMAND_LINE)
    with pytest.raises(Conflict, match="an operator named 'ada'"):
        await create_operator(session, "ada", PASSWORD, Role.VIEWER, actor=COMMAND_LINE)
