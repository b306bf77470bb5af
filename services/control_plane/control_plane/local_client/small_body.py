"""A request's body that is read at once if it is small, announced and JSON, and can be read again by somebody else."""

from dataclasses import dataclass, field

from starlette.types import Message, Receive, Scope

_LARGEST_BYTES = 64 * 1024
"""Until its token is known, nobody gets more work done than to read this."""


@dataclass(slots=True)
class SmallBody:
    """What was read of it."""

    content: bytes
    """All of it, or nothing if it is left to somebody else."""
    _receive: Receive
    _messages: list[Message] = field(default_factory=list)

    @classmethod
    async def read(cls, scope: Scope, receive: Receive) -> "SmallBody":
        """Read it, unless it may be large, or is not said to be JSON."""
        is_json, size = False, 0
        for name, value in scope["headers"]:
            if name == b"content-length" and value.isdigit():
                size = int(value)
            elif name == b"content-type":
                is_json = value.startswith(b"application/json")
        body = cls(b"", receive)
        if not is_json or not 0 < size <= _LARGEST_BYTES:
            return body
        while True:
            message = await receive()
            body._messages.append(message)
            body.content += message.get("body", b"")
            if not message.get("more_body", False):
                return body

    async def receive(self) -> Message:
        """From the beginning, as if nobody had read it."""
        return self._messages.pop(0) if self._messages else await self._receive()
