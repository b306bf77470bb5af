"""The limit: a bare ASGI application with an asyncpg pool that answers each request with one prepared statement.

It validates nothing, logs nothing, decrypts nothing and knows no error but the token's. What it writes is committed
when it answers. Run as `python -m bench.api.bare PORT DATABASE`, with uvicorn set as the control plane sets it.
"""

import asyncio
import hashlib
import json
import sys
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

import asyncpg
import uvicorn
from sqlalchemy.engine import make_url

from bench.api.statements import CONFIG, HEARTBEAT, OFFER, REGISTER, SCHEDULES, STATUS, TOKEN
from control_plane.service import UVICORN

_POOL = 10
_JSON = [(b"content-type", b"application/json")]

_Answer = tuple[int, list[tuple[bytes, bytes]], bytes]


class _Connection(asyncpg.Connection):
    """Goes back to the pool as it is: asyncpg would send another statement each time, to reset it."""

    def get_reset_query(self) -> str:
        return ""


class BareServer:
    """The application."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        self._pool = pool
        self._etags: dict[Any, bytes] = {}
        self._calls: dict[str, Callable[[bytes, dict[bytes, bytes], bytes, Any], Coroutine[Any, Any, _Answer]]] = {
            "/v0/api/local-client/schedules": self._schedules,
            "/v0/api/local-client/config": self._config,
            "/v0/api/local-client/heartbeat": self._heartbeat,
            "/v0/api/local-client/recordings/register": self._register,
            "/v0/api/local-client/recordings/status": self._status,
            "/v0/api/local-client/segments/offer": self._offer,
        }

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        if scope["path"].endswith("/health"):
            await _send(send, 200, _JSON, b"{}")
            return
        headers = dict(scope["headers"])
        token = hashlib.sha256(headers[b"authorization"][7:]).digest()
        body = b""
        if scope["method"] == "POST":
            more = True
            while more:
                message = await receive()
                body += message.get("body", b"")
                more = message.get("more_body", False)
        status, answer_headers, content = await self._calls[scope["path"]](token, headers, body, scope)
        await _send(send, status, answer_headers, content)

    async def _schedules(self, token: bytes, headers: dict[bytes, bytes], _body: bytes, _scope: Any) -> _Answer:
        return await self._document(token, headers, SCHEDULES)

    async def _config(self, token: bytes, headers: dict[bytes, bytes], _body: bytes, _scope: Any) -> _Answer:
        return await self._document(token, headers, CONFIG)

    async def _document(self, token: bytes, headers: dict[bytes, bytes], statement: str) -> _Answer:
        if asked := headers.get(b"if-none-match"):
            client_id = await self._pool.fetchval(TOKEN, token)
            if self._etags.get((client_id, statement)) == asked:
                return 304, [(b"etag", asked)], b""
        row = await self._pool.fetchrow(statement, token)
        if row is None:
            return 401, _JSON, b'{"detail": "unknown"}'
        body: bytes = row["document"].encode()
        etag = f'"{hashlib.sha256(body).hexdigest()}"'.encode()
        self._etags[row["id"], statement] = etag
        return 200, [*_JSON, (b"etag", etag)], body

    async def _heartbeat(self, token: bytes, _headers: dict[bytes, bytes], body: bytes, scope: Any) -> _Answer:
        client_id = await self._pool.fetchval(HEARTBEAT, token, scope["client"][0], body.decode())
        if client_id is None:
            return 401, _JSON, b'{"detail": "unknown"}'
        return (
            200,
            _JSON,
            f'{{"message":"Heartbeat received","client_id":"{client_id}","status":"online",'
            f'"server_time":"{datetime.now(UTC).isoformat()}","config_changed":false}}'.encode(),
        )

    async def _register(self, token: bytes, _headers: dict[bytes, bytes], _body: bytes, scope: Any) -> _Answer:
        query = dict(parse_qsl(scope["query_string"].decode()))
        recording_id = await self._pool.fetchval(
            REGISTER,
            token,
            query.get("recording_id"),
            query["camera_id"],
            query.get("recording_name"),
            query.get("schedule_id"),
        )
        if recording_id is None:
            return 401, _JSON, b'{"detail": "unknown"}'
        told = f'{{"recording_id":"{recording_id}","message":"Recording registered successfully"}}'
        return 200, _JSON, told.encode()

    async def _status(self, token: bytes, _headers: dict[bytes, bytes], body: bytes, _scope: Any) -> _Answer:
        report = json.loads(body)
        written = await self._pool.fetchval(
            STATUS,
            token,
            report["recording_id"],
            report["status"],
            report["progress"],
            report["frames_recorded"],
            report["file_size"],
        )
        if written is None:
            return 404, _JSON, b'{"detail": "unknown"}'
        return 200, _JSON, b'{"message":"Recording status updated successfully"}'

    async def _offer(self, token: bytes, _headers: dict[bytes, bytes], body: bytes, _scope: Any) -> _Answer:
        rows = await self._pool.fetch(OFFER, token, body.decode())
        told = [{"id": str(row["id"]), "verdict": "wanted", "object_name": row["object_name"]} for row in rows]
        return 200, _JSON, json.dumps({"segments": told}).encode()


async def _send(send: Any, status: int, headers: list[tuple[bytes, bytes]], content: bytes) -> None:
    if content:
        headers = [*headers, (b"content-length", b"%d" % len(content))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})


async def _serve(port: int, database: str) -> None:
    url = make_url(database)
    async with asyncpg.create_pool(
        user=url.username,
        password=url.password,
        host=url.host,
        port=url.port,
        database=url.database,
        ssl=False,
        min_size=_POOL,
        max_size=_POOL,
        connection_class=_Connection,
    ) as pool:
        config = uvicorn.Config(BareServer(pool), host="127.0.0.1", port=port, lifespan="off", **UVICORN)
        await uvicorn.Server(config).serve()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), sys.argv[2]))
