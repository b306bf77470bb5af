"""A server that speaks TLS, and whose first encrypted answer arrives damaged: what a bad line does."""

import asyncio
import ipaddress
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_APPLICATION_DATA = b"\x17\x03\x03"
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


@asynccontextmanager
async def spoilt_tls(folder: Path) -> AsyncIterator[tuple[str, ssl.SSLContext]]:
    """Its address, and what trusts it."""
    certificate, key = _certificate(folder)
    ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ours.load_cert_chain(certificate, key)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(_ANSWER)
            await reader.read()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0, ssl=ours) as server:
        port = server.sockets[0].getsockname()[1]

        async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                async with asyncio.TaskGroup() as both:
                    both.create_task(_pass_on(reader, inner_writer, spoil=False))
                    both.create_task(_pass_on(inner_reader, writer, spoil=True))
            finally:
                writer.close()
                inner_writer.close()

        async with await asyncio.start_server(relay, "127.0.0.1", 0) as line:
            yield (
                f"https://127.0.0.1:{line.sockets[0].getsockname()[1]}",
                ssl.create_default_context(cafile=certificate),
            )


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, spoil: bool) -> None:
    """Record by record (RFC 8446, 5.1); the first that is as long as an answer loses a bit."""
    try:
        while True:
            head = await reader.readexactly(5)
            body = await reader.readexactly(int.from_bytes(head[3:]))
            if spoil and head[:3] == _APPLICATION_DATA and len(body) == len(_ANSWER) + 17:
                body = bytes([body[0] ^ 1]) + body[1:]
            writer.write(head + body)
            await writer.drain()
    except (OSError, asyncio.IncompleteReadError):
        writer.close()


def _certificate(folder: Path) -> tuple[Path, Path]:
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    certificate, file = folder / "certificate.pem", folder / "key.pem"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate, file
