"""One client's RTSP connection, with the session it sets up on it (RFC 2326 sections 10 and 12)."""

import asyncio
import re
import secrets
from collections.abc import Callable

import structlog

from camera_simulator import sdp
from camera_simulator.authentication import Gatekeeper
from camera_simulator.cameras import Camera, Fault
from camera_simulator.media import Kind, Track
from camera_simulator.rtsp import InterleavedFrame, MalformedRequestError, Request, Response, read_message
from camera_simulator.transports import BACKLOG_LIMIT_BYTES, Interleaved, Transport, UdpPair
from camera_simulator.viewers import Sender, Viewer

log = structlog.get_logger()

METHODS = "OPTIONS, DESCRIBE, SETUP, PLAY, PAUSE, GET_PARAMETER, SET_PARAMETER, TEARDOWN"
_IDLE_LIMIT_SECONDS = 60.0
_TRACK = re.compile(r"/track(\d+)$")
_PORTS = re.compile(r"client_port=(\d{1,5})-(\d{1,5})")
_CHANNELS = re.compile(r"interleaved=(\d{1,3})-(\d{1,3})")
_LARGEST_CHANNEL, _LARGEST_PORT = 255, 65535


class Connection:
    """Serves one TCP connection; the session lives and ends with it."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, find: Callable[[str], Camera | None]
    ) -> None:
        self._reader, self._writer, self._find = reader, writer, find
        self._gatekeeper = Gatekeeper()
        self._local: str = writer.get_extra_info("sockname")[0]
        self._remote: str = writer.get_extra_info("peername")[0]
        self._camera: Camera | None = None
        self._session = ""
        self._senders: dict[Kind, Sender] = {}
        self._viewer: Viewer | None = None
        self._limit: asyncio.Timeout | None = None

    async def serve(self) -> None:
        """Until the client goes, misbehaves, or shows no sign of life for the session's timeout."""
        try:
            async with asyncio.timeout(_IDLE_LIMIT_SECONDS) as self._limit:
                while (message := await read_message(self._reader)) is not None:
                    self._is_alive()
                    if isinstance(message, InterleavedFrame):
                        continue
                    if await self._answer(message):
                        return
        except TimeoutError:
            log.info("session_expired", camera=self._camera.name if self._camera else None)
            if self._writer.transport.get_write_buffer_size():
                self.abort()  # a close would wait until a client that is gone has taken what is buffered
        except MalformedRequestError as error:
            log.info("malformed_request", error=str(error))
            self._writer.write(Response(400).encode("0"))
        except OSError:
            pass  # the client is gone: nothing to tell it
        finally:
            self._end_session()
            if self._camera is not None:
                self._camera.connections.discard(self)
            self._writer.close()

    def abort(self) -> None:
        self._writer.transport.abort()

    def finish(self) -> None:
        for sender in self._senders.values():
            sender.send_bye()
        self._end_session()
        self._writer.close()

    def _is_alive(self) -> None:
        """Any request and any RTCP packet shows that the client lives."""
        if self._limit is not None and not self._limit.expired():
            seconds = (
                self._camera.spec.session_timeout_seconds if self._camera and self._session else _IDLE_LIMIT_SECONDS
            )
            self._limit.reschedule(asyncio.get_running_loop().time() + seconds)

    async def _answer(self, request: Request) -> bool:
        """Answers one request; True when it was the last one."""
        path = _TRACK.sub("", request.path)
        camera = self._camera if path in {"", "*"} else self._find(path)
        agent = request.headers.get("user-agent", "")
        if camera is not None:
            self._belong_to(camera)
            if camera.fault is Fault.SILENT:
                camera.answered(request.method, 0, agent)
                return False
        response = await self._respond(camera, request)
        self._writer.write(response.encode(request.headers.get("cseq", "0")))
        if self._writer.transport.get_write_buffer_size() > 2 * BACKLOG_LIMIT_BYTES:
            log.info("answers_not_read", camera=camera.name if camera else None)
            self.abort()
            return True
        if camera is not None:
            camera.answered(request.method, response.status, agent)
        if request.method == "PLAY" and response.status == 200 and camera is not None:  # noqa: PLR2004 - OK
            self._start(camera, agent)
        return request.method == "TEARDOWN"

    def _belong_to(self, camera: Camera) -> None:
        if self._camera is not camera:
            if self._camera is not None:
                self._camera.connections.discard(self)
                self._end_session()
            self._camera = camera
            camera.connections.add(self)

    async def _respond(self, camera: Camera | None, request: Request) -> Response:  # noqa: PLR0911 - one return an answer
        if camera is None:
            return Response(200, {"Public": METHODS}) if request.method == "OPTIONS" else Response(404)
        scheme = camera.spec.required_authentication
        challenge = {"WWW-Authenticate": self._gatekeeper.challenge(scheme)}
        if camera.fault is Fault.REFUSING:
            is_unauthorized = camera.refusal_status == 401  # noqa: PLR2004 - Unauthorized
            return Response(camera.refusal_status, challenge if is_unauthorized else {})
        if request.method == "OPTIONS":
            return Response(200, {"Public": METHODS})
        if not self._gatekeeper.admits(request, scheme, camera.spec.user, camera.password):
            return Response(401, challenge)
        if request.method == "DESCRIBE":
            headers = {"Content-Type": "application/sdp", "Content-Base": request.url.rstrip("/") + "/"}
            return Response(200, headers, _description(camera, self._local))
        if request.method == "SETUP":
            return await self._set_up(camera, request)
        return self._control(camera, request)

    async def _set_up(self, camera: Camera, request: Request) -> Response:
        found = _TRACK.search(request.path)
        index = int(found[1]) if found else -1
        if not 0 <= index < len(camera.media.tracks):
            return Response(404 if found else 459)
        if self._viewer is not None:
            return Response(455)
        track = camera.media.tracks[index]
        wanted = request.headers.get("transport", "")
        for offer in wanted.split(","):
            if "multicast" in offer:
                continue
            if "TCP" in offer:
                transport, header = self._interleaved(offer, index)
            elif (ports := _PORTS.search(offer)) and all(0 < int(port) <= _LARGEST_PORT for port in ports.groups()):
                address = (self._remote, int(ports[1]), int(ports[2]))
                try:
                    pair = await UdpPair.open(self._local, address, self._is_alive)
                except OSError as error:
                    log.warning("no_udp_ports", camera=camera.name, error=str(error))
                    return Response(503)
                transport, header = pair, f"RTP/AVP;unicast;{ports[0]};server_port={pair.ports[0]}-{pair.ports[1]}"
            else:
                continue
            return self._accept_track(camera, track, transport, header)
        return Response(461)

    def _interleaved(self, offer: str, index: int) -> tuple[Transport, str]:
        asked = _CHANNELS.search(offer)
        rtp, rtcp = (int(asked[1]), int(asked[2])) if asked else (index * 2, index * 2 + 1)
        if max(rtp, rtcp) > _LARGEST_CHANNEL:
            rtp, rtcp = index * 2, index * 2 + 1
        return Interleaved(self._writer, rtp, rtcp), f"RTP/AVP/TCP;unicast;interleaved={rtp}-{rtcp}"

    def _accept_track(self, camera: Camera, track: Track, transport: Transport, header: str) -> Response:
        if (earlier := self._senders.pop(track.kind, None)) is not None:
            earlier.transport.close()
        sender = Sender(transport, sdp.payload_type(track))
        self._senders[track.kind] = sender
        self._session = self._session or secrets.token_hex(8)
        timeout = f";timeout={camera.spec.session_timeout_seconds}"
        return Response(200, {"Session": self._session + timeout, "Transport": f"{header};ssrc={sender.ssrc:08X}"})

    def _control(self, camera: Camera, request: Request) -> Response:  # noqa: PLR0911 - one return an answer
        """What needs a session, or at least keeps one alive."""
        given = request.headers.get("session", "").partition(";")[0].strip()
        if given and given != self._session:
            return Response(454)
        headers = {"Session": self._session} if self._session else {}
        match request.method:
            case "GET_PARAMETER" | "SET_PARAMETER":
                return Response(200, headers)
            case "PLAY" | "PAUSE" | "TEARDOWN" if not self._session:
                return Response(454)
            case "PLAY":
                return Response(200, headers | self._play_headers(camera, request.url))
            case "PAUSE":
                self._stop()
                return Response(200, headers)
            case "TEARDOWN":
                self._end_session()
                return Response(200)
            case _:
                return Response(501, {"Public": METHODS})

    def _play_headers(self, camera: Camera, url: str) -> dict[str, str]:
        """RTP-Info names the sequence number and the time that every track starts with (RFC 2326 section 12.33)."""
        if self._viewer is not None:
            return {"Range": "npt=now-"}
        start = camera.broadcast.next_start()
        tracks = [(index, track.kind) for index, track in enumerate(camera.media.tracks) if track.kind in self._senders]
        base = _TRACK.sub("", url.rstrip("/"))
        infos = [
            f"url={base}/track{index};seq={self._senders[kind].next_sequence}"
            + (f";rtptime={camera.broadcast.rtp_time_at(kind, start)}" if start is not None else "")
            for index, kind in tracks
        ]
        return {"Range": "npt=now-", "RTP-Info": ",".join(infos)}

    def _start(self, camera: Camera, agent: str) -> None:
        if self._viewer is None:
            is_udp = any(isinstance(sender.transport, UdpPair) for sender in self._senders.values())
            protocol = "udp" if is_udp else "tcp"
            waits = camera.spec.starts_at_keyframe
            self._viewer = Viewer(camera.next_session_number(), agent, protocol, dict(self._senders), waits)
            camera.attach(self._viewer)

    def _stop(self) -> None:
        if self._viewer is not None and self._camera is not None:
            self._camera.detach(self._viewer)
        self._viewer = None

    def _end_session(self) -> None:
        self._stop()
        for sender in self._senders.values():
            sender.transport.close()
        self._senders.clear()
        self._session = ""


def _description(camera: Camera, address: str) -> bytes:
    has_sets = camera.spec.described_parameter_sets
    return sdp.describe(camera.name, address, camera.media, camera.spec.announced_as, has_sets=has_sets)
