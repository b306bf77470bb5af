"""Answers as bytes: what is a message, and that nothing else than our own errors comes of any bytes."""

import socket
import time
from contextlib import closing, suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recorder.errors import CameraError
from recorder.rtsp.asking import Asking
from recorder.rtsp.authentication import Authenticator, Credentials
from recorder.rtsp.handshake import Agreement, Handshake
from recorder.rtsp.messages import BODY_LIMIT_BYTES, HEAD_LIMIT_BYTES, NotRtspError, read_message
from recorder.rtsp.unsuited import Unsuited
from tests.recorder.rtsp.packets import FRAME, Sender
from tests.recorder.rtsp.scripted import SDP

PIECES = [
    b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nPublic: OPTIONS, GET_PARAMETER\r\n\r\n",
    b'RTSP/1.0 401 Unauthorized\r\nWWW-Authenticate: Digest realm="a", nonce="b", stale=true\r\n\r\n',
    f"RTSP/1.0 200 OK\r\nContent-Base: rtsp://a/b/\r\nContent-Length: {len(SDP)}\r\n\r\n{SDP}".encode(),
    b"RTSP/1.0 200 OK\r\nSession: 7;timeout=9\r\nTransport: RTP/AVP/TCP;interleaved=0-1\r\n\r\n",
    b"RTSP/1.0 200 OK\r\nSession: 7\r\nTransport: RTP/AVP/TCP;interleaved=2-3\r\n\r\n",
    b"RTSP/1.0 200 OK\r\nRTP-Info: url=rtsp://a/b/video;seq=1;rtptime=5,url=rtsp://a/b/audio;rtptime=6\r\n\r\n",
    b"RTSP/1.0 100 Continue\r\n\r\n",
    b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n",
    Sender().packet(b"\x41\x9a", FRAME),
    b"\r\n",
]


@settings(deadline=None)
@given(
    st.lists(st.one_of(st.sampled_from(PIECES), st.binary(max_size=40)), max_size=12),
    st.lists(st.tuples(st.integers(min_value=0), st.binary(max_size=12)), max_size=4),
)
def test_any_answers_end_in_an_agreement_or_in_our_own_words(
    pieces: list[bytes], changes: list[tuple[int, bytes]]
) -> None:
    data = b"".join([*PIECES[:6], *pieces] if changes else pieces)
    for place, new in changes:
        at = place % (len(data) + 1)
        data = data[:at] + new + data[at + len(new) :]
    agreed(data)


def agreed(data: bytes) -> Agreement | None:
    """What a camera agrees upon that sends this, and nothing more."""
    ours, theirs = socket.socketpair()
    with closing(ours), closing(theirs):
        theirs.sendall(data)
        theirs.shutdown(socket.SHUT_WR)
        asking = Asking(ours, Authenticator(Credentials("user", "s3cr3t")), time.monotonic() + 20)
        with suppress(CameraError, Unsuited):
            agreement = Handshake(asking, "rtsp://a/b", with_audio=True).run()
            assert agreement.session_id
            assert agreement.tracks
            assert len(asking.leftover) <= len(data)
            return agreement
    return None


def test_those_answers_in_their_order_are_an_agreement() -> None:
    agreement = agreed(b"".join(PIECES))
    assert agreement is not None
    assert agreement.timeout_seconds == 9
    assert agreement.keeps_alive_by == "GET_PARAMETER"
    assert [track.origin for track in agreement.tracks] == [5, 6]


def test_a_message_is_read_once_all_of_it_is_there() -> None:
    data = b"RTSP/1.0 200 OK\r\nA: 1\r\na : 2\r\nodd\r\nContent-Length: 3\r\n\r\nabc"
    for end in range(len(data)):
        assert read_message(data[:end]) is None
    found = read_message(data + b"more")
    assert found is not None
    message, end = found
    assert (message.status, message.headers["a"], message.body, end) == (200, ("1", "2"), b"abc", len(data))


def test_lines_may_end_without_a_return() -> None:
    found = read_message(b"RTSP/1.0 404 Not Found\nCSeq: 2\n\n")
    assert found is not None
    assert found[0].status == 404


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"RTSP/1.0\r\n\r\n",
        b"RTSP/1.0 2000 OK\r\n\r\n",
        b"RTSP/1.0 -20 OK\r\n\r\n",
        b"RTSP/1.0 \xc2\xb2\xc2\xb2\xc2\xb2 OK\r\n\r\n",
        b"GET a HTTP/1.1\r\n\r\n",
        b"RTSP/1.0 200 OK\r\nContent-Length: 1e3\r\n\r\n",
        b"RTSP/1.0 200 OK\r\nContent-Length: " + str(BODY_LIMIT_BYTES + 1).encode() + b"\r\n\r\n",
        b"RTSP/1.0 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n",
        b"RTSP/1.0 200 OK\r\n" + b"A: b\r\n" * HEAD_LIMIT_BYTES,
        b"\0\0",
        b"$",
    ],
)
def test_what_is_no_message_is_told_at_once(data: bytes) -> None:
    with pytest.raises(NotRtspError):
        read_message(data)
