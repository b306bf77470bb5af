"""What we say to a camera that plays: signs of life, answers to what it asks, and good-bye."""

import secrets
import socket
import threading
import time
from contextlib import suppress

from recorder.rtsp.asking import AGENT
from recorder.rtsp.authentication import Authenticator
from recorder.rtsp.handshake import Agreement
from recorder.rtsp.messages import OK, Message, answer, request
from recorder.rtsp.rtcp import receiver_report
from recorder.rtsp.unsuited import Unsuited

_UNAUTHORIZED, _NOT_IMPLEMENTED = 401, 501
_HARMLESS = {"OPTIONS", "GET_PARAMETER", "SET_PARAMETER"}
_LONGEST_INTERVAL_SECONDS = 30.0
_UNSENT_LIMIT_BYTES = 16 << 10


class Talk:
    """Thread-safe, and never blocks: a thread that waits for a disk hears the camera, another keeps it alive."""

    def __init__(
        self, connection: socket.socket, agreement: Agreement, authenticator: Authenticator, sequence: int
    ) -> None:
        """`sequence` is the number of the last request."""
        self._connection = connection
        self._url = agreement.description.control
        self._session_id = agreement.session_id
        self._reports_channel = agreement.tracks[0].reports_channel
        self._authenticator = authenticator
        self._sequence = sequence
        self._method = agreement.keeps_alive_by
        self._interval_seconds = max(1.0, min(agreement.timeout_seconds / 2, _LONGEST_INTERVAL_SECONDS))
        self.keep_alive_at = time.monotonic() + self._interval_seconds
        """On time.monotonic."""
        self._source = secrets.randbits(32)
        self._unsent = b""
        self._lock = threading.Lock()

    def keep_alive(self, now: float) -> None:
        """Send what is due, if anything is; `now` on time.monotonic."""
        if now < self.keep_alive_at:
            return
        with self._lock:
            self.keep_alive_at = now + self._interval_seconds
            # Some cameras look for requests, others for reports of RTCP.
            report = receiver_report(self._source)
            head = bytes((0x24, self._reports_channel)) + len(report).to_bytes(2, "big")
            self._send(head + report + self._request(self._method))

    def heard(self, message: Message) -> None:
        """What the camera asks is answered; what it answers is for the next sign of life."""
        with self._lock:
            if not message.status:
                status = OK if message.method in _HARMLESS else _NOT_IMPLEMENTED
                self._send(answer(message.header("cseq"), status))
            elif message.status == _UNAUTHORIZED:
                with suppress(Unsuited):
                    if self._authenticator.challenged(message.headers.get("www-authenticate", ())):
                        self._send(self._request(self._method))
            elif message.status != OK:
                self._method = "OPTIONS"
            else:
                self._authenticator.accepted()

    def say_good_bye(self) -> None:
        """As far as that works at once."""
        with self._lock:
            self._send(self._request("TEARDOWN"))

    def _request(self, method: str) -> bytes:
        self._sequence += 1
        headers = {"CSeq": str(self._sequence), "User-Agent": AGENT, "Session": self._session_id}
        proof = self._authenticator.header(method, self._url)
        if proof is not None:
            headers["Authorization"] = proof
        return request(method, self._url, headers)

    def _send(self, data: bytes) -> None:
        if len(self._unsent) < _UNSENT_LIMIT_BYTES:  # else the camera takes nothing, and will soon end the session
            self._unsent += data
        sent = send_best_effort(self._connection, self._unsent)
        self._unsent = self._unsent[sent:]


def send_best_effort(connection: socket.socket, data: bytes) -> int:
    """How much of it went out at once. A connection that is gone is found out by reading from it."""
    try:
        return connection.send(data, socket.MSG_DONTWAIT)
    except OSError:
        return 0
