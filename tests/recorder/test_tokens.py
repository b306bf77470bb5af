"""Tokens that the recorder is given: kept privately, used from then on, and given up for another where refused."""

from pathlib import Path
from uuid import UUID

import httpx
import pytest
from pydantic import SecretStr

from recorder.clock import SystemClock
from recorder.control_plane import connected
from recorder.errors import TokenRefused
from recorder.link import Link, LinkCondition
from recorder.tokens import NAME, Bearer, TokenFile, Tokens
from recorder.vault import Vault
from tests.recorder.control_plane import TOKEN, FakeControlPlane
from tests.recorder.serving import serving

OWN, FRESH, FRESHER = SecretStr(TOKEN), SecretStr("cfr_fresh"), SecretStr("cfr_fresher")
COMMAND, OTHER_COMMAND = UUID(int=1), UUID(int=2)


def tokens_in(folder: Path, own: SecretStr = OWN, key: SecretStr = OWN) -> Tokens:
    tokens = Tokens(own, TokenFile(folder, Vault(key), own))
    tokens.read()
    return tokens


def test_a_given_token_goes_before_the_own_and_is_known_again_after_a_restart(tmp_path: Path) -> None:
    tokens = tokens_in(tmp_path)
    assert tokens.in_order() == (TOKEN,)
    tokens.keep(FRESH, COMMAND)
    assert tokens.in_order() == ("cfr_fresh", TOKEN)
    again = tokens_in(tmp_path)
    assert again.in_order() == ("cfr_fresh", TOKEN)
    held = again.given_by(COMMAND)
    assert held is not None
    assert held.get_secret_value() == "cfr_fresh"
    assert again.given_by(OTHER_COMMAND) is None


def test_the_one_before_the_newest_is_kept_and_no_earlier_one(tmp_path: Path) -> None:
    tokens = tokens_in(tmp_path)
    for token, number in ((SecretStr("cfr_stale"), 3), (FRESH, 1), (FRESHER, 2)):
        tokens.keep(token, UUID(int=number))
    assert tokens_in(tmp_path).in_order() == ("cfr_fresher", "cfr_fresh", TOKEN)


def test_the_file_is_private_and_shows_no_token(tmp_path: Path) -> None:
    (tmp_path / NAME).with_suffix(".part").touch(0o644)  # of a crash
    tokens_in(tmp_path).keep(FRESH, COMMAND)
    assert [path.name for path in tmp_path.iterdir()] == [NAME]
    assert (tmp_path / NAME).stat().st_mode & 0o777 == 0o600
    content = (tmp_path / NAME).read_bytes()
    assert b"cfr_" not in content
    assert TOKEN.encode() not in content


@pytest.mark.parametrize("key", [OWN, SecretStr("secrets-key")], ids=["CLIENT_TOKEN", "SECRETS_KEY"])
def test_a_client_token_that_was_set_anew_is_the_only_one(tmp_path: Path, key: SecretStr) -> None:
    tokens_in(tmp_path, key=key).keep(FRESH, COMMAND)
    renewed = SecretStr("renewed")
    assert tokens_in(tmp_path, renewed, renewed if key is OWN else key).in_order() == ("renewed",)
    assert tokens_in(tmp_path, key=key).in_order() == ("cfr_fresh", TOKEN), "with the old one all is as before"


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff\xfe", b"{}", Vault(OWN).lock(b"[1]"), Vault(OWN).lock(b"no JSON")],
    ids=["empty", "no text", "not encrypted", "a list", "no JSON"],
)
def test_a_damaged_file_is_ignored(tmp_path: Path, content: bytes) -> None:
    (tmp_path / NAME).write_bytes(content)
    assert tokens_in(tmp_path).in_order() == (TOKEN,)


def test_a_token_that_cannot_be_kept_is_not_used(tmp_path: Path) -> None:
    tokens = tokens_in(tmp_path / "not there")
    with pytest.raises(OSError, match="No such file"):
        tokens.keep(FRESH, COMMAND)
    assert tokens.in_order() == (TOKEN,)


async def test_a_call_goes_on_with_another_token_where_the_newest_is_refused(
    fake: FakeControlPlane, tmp_path: Path
) -> None:
    tokens = tokens_in(tmp_path)
    tokens.keep(FRESH, COMMAND)
    link = Link(SystemClock().now)
    async with serving(fake.app()) as root, connected(root, tokens, link) as control_plane:
        assert await control_plane.config(None) is not None
        assert len(fake.calls) == 2
        assert link.state.condition is LinkCondition.CONNECTED
        assert tokens.in_order() == (TOKEN, "cfr_fresh")
        await control_plane.config(None)
        assert len(fake.calls) == 3, "the refused one isn't tried again each time"
        fake.token = "cfr_fresh"
        await control_plane.config(None)
        assert tokens.in_order() == ("cfr_fresh", TOKEN)


async def test_a_recorder_whose_tokens_are_all_refused_says_so_once_each(
    fake: FakeControlPlane, tmp_path: Path
) -> None:
    tokens = tokens_in(tmp_path)
    tokens.keep(FRESH, COMMAND)
    fake.token = "another"
    async with serving(fake.app()) as root, connected(root, tokens, Link(SystemClock().now)) as control_plane:
        with pytest.raises(TokenRefused, match="renew it in the console"):
            await control_plane.config(None)
    assert len(fake.calls) == 2


def test_an_unreachable_control_plane_prefers_no_token(tmp_path: Path) -> None:
    tokens = tokens_in(tmp_path)
    tokens.keep(FRESH, COMMAND)
    flow = Bearer(tokens).auth_flow(httpx.Request("GET", "https://cctv.example.com"))
    assert next(flow).headers["Authorization"] == "Bearer cfr_fresh"
    assert flow.send(httpx.Response(401)).headers["Authorization"] == f"Bearer {TOKEN}"
    with pytest.raises(StopIteration):
        flow.send(httpx.Response(503))
    assert tokens.in_order() == ("cfr_fresh", TOKEN)


def test_an_answer_to_the_earlier_token_takes_nothing_from_the_one_that_came_meanwhile(tmp_path: Path) -> None:
    tokens = tokens_in(tmp_path)
    flow = Bearer(tokens).auth_flow(httpx.Request("GET", "https://cctv.example.com"))
    assert next(flow).headers["Authorization"] == f"Bearer {TOKEN}"
    tokens.keep(FRESH, COMMAND)
    with pytest.raises(StopIteration):
        flow.send(httpx.Response(200))
    assert tokens.in_order() == ("cfr_fresh", TOKEN)


def test_a_call_that_was_under_way_when_its_token_ended_goes_on_with_the_newer(tmp_path: Path) -> None:
    tokens = tokens_in(tmp_path)
    flow = Bearer(tokens).auth_flow(httpx.Request("GET", "https://cctv.example.com"))
    next(flow)
    tokens.keep(FRESH, COMMAND)
    assert flow.send(httpx.Response(401)).headers["Authorization"] == "Bearer cfr_fresh"
    with pytest.raises(StopIteration):
        flow.send(httpx.Response(304))
    assert tokens.in_order() == ("cfr_fresh", TOKEN)
