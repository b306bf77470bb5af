"""Challenges of cameras and our answers to them."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.rtsp.authentication import Authenticator, Credentials, challenges
from recorder.rtsp.unsuited import Unsuited

USER = Credentials("Mufasa", "Circle of Life")
URL = "/dir/index.html"


def answered(*headers: str, credentials: Credentials = USER) -> str:
    authenticator = Authenticator(credentials)
    assert authenticator.challenged(headers)
    given = authenticator.header("GET", URL)
    assert given is not None
    return given


def test_without_qop_the_response_is_that_of_rfc_2069() -> None:
    # Its own example has an erratum; this is MD5 of "MD5(user:realm:password):nonce:MD5(method:uri)" by md5sum.
    header = answered('Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093"')
    assert 'username="Mufasa"' in header
    assert f'uri="{URL}"' in header
    assert 'response="2951cdbad33b2271fcb6b8e7b8feac23"' in header
    assert "qop" not in header
    assert "algorithm" not in header


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_the_examples_of_rfc_7616(monkeypatch: pytest.MonkeyPatch, algorithm: str, response: str) -> None:
    monkeypatch.setattr("secrets.token_hex", lambda _: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ")
    header = answered(
        f'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm={algorithm}, '
        'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
    )
    assert f'response="{response}"' in header
    assert "nc=00000001" in header
    assert 'opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"' in header


def test_basic_is_answered_only_where_nothing_better_is_offered() -> None:
    assert answered('Basic realm="a"').startswith("Basic TXVmYXNhOkNpcmNsZSBvZiBMaWZl")
    assert answered('Basic realm="a"', 'Digest realm="a", nonce="b"').startswith("Digest ")
    assert answered('Basic realm="a, b", Digest realm="a", nonce="b"').startswith("Digest ")


def test_a_camera_chooses_among_the_algorithms_it_offers() -> None:
    offered = [f'Digest realm="a", nonce="b", algorithm={name}' for name in ("SHA-512-256", "SHA-256", "MD5")]
    assert "algorithm=SHA-256" in answered(*offered)


@pytest.mark.parametrize(
    "header",
    ['Digest realm="a", nonce="b", algorithm=SHA-512-256', 'Digest realm="a", nonce="b", qop="auth-int"', "NTLM", ""],
)
def test_what_we_cannot_answer_is_for_libav(header: str) -> None:
    with pytest.raises(Unsuited):
        Authenticator(USER).challenged((header,))


def test_a_wrong_password_is_tried_once_only() -> None:
    authenticator = Authenticator(USER)
    assert authenticator.challenged(('Digest realm="a", nonce="1"',))
    assert not authenticator.challenged(('Digest realm="a", nonce="2"',))


def test_a_nonce_that_is_too_old_is_replaced() -> None:
    authenticator = Authenticator(USER)
    assert authenticator.challenged(('Digest realm="a", nonce="1"',))
    assert authenticator.challenged(('Digest realm="a", nonce="2", stale=TRUE',))
    assert 'nonce="2"' in (authenticator.header("GET", URL) or "")


def test_nonces_for_one_use_are_replaced_once_the_password_is_known_to_be_right() -> None:
    authenticator = Authenticator(USER)
    assert authenticator.challenged(('Digest realm="a", nonce="1"',))
    authenticator.accepted()
    assert authenticator.challenged(('Digest realm="a", nonce="2"',))
    assert not authenticator.challenged(('Digest realm="a", nonce="2"',))


def test_without_a_password_nothing_is_tried() -> None:
    assert not Authenticator(None).challenged(('Digest realm="a", nonce="1"',))


def test_a_name_with_quotes_stays_one_name() -> None:
    header = answered('Digest realm="a \\"b\\"", nonce="1"', credentials=Credentials('x"y\\', "p"))
    assert r'username="x\"y\\"' in header
    assert r'realm="a \"b\""' in header


def test_no_password_is_shown() -> None:
    assert "Circle" not in repr(USER)


@given(st.lists(st.text(max_size=200), max_size=3))
def test_any_challenge_is_read_or_refused(headers: list[str]) -> None:
    for challenge in challenges(tuple(headers)):
        assert re.fullmatch(r"[a-z][\w-]*", challenge.scheme)
    authenticator = Authenticator(USER)
    try:
        if authenticator.challenged(tuple(headers)):
            authenticator.header("DESCRIBE", "rtsp://a/b")
    except Unsuited:
        pass
