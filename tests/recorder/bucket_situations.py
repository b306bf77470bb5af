"""What a bucket answers in each situation of an upload: `python -m tests.recorder.bucket_situations URL` asks another.

The expected answers are those of Google's documentation and, where it is silent, of the live service as the issues and
tests of Google's own client libraries quote it. See docs/storage.md.
"""

import asyncio
import base64
import sys
from collections.abc import AsyncIterator

import google_crc32c
import httpx

UNIT = 256 * 1024
DATA = bytes(range(256)) * (2 * UNIT // 256) + b"tail"
SIZE = len(DATA)
BUCKET = "camfleet-tests"


def crc32c(content: bytes) -> str:
    return base64.b64encode(google_crc32c.value(content).to_bytes(4, "big")).decode()


HASH = {"x-goog-hash": f"crc32c={crc32c(DATA)}"}
STORED = f"200 {SIZE} {crc32c(DATA)}"
EXPECTED = {
    "status of a new session": "308",
    "status, size unknown": "308",
    "first chunk": "308 bytes=0-262143",
    "status after a chunk": "308 bytes=0-262143",
    "the same chunk again": "308 bytes=0-262143",
    "a chunk that overlaps by half": "308 bytes=0-524287",
    "another total than declared": "400",
    "last chunk": STORED,
    "status after the end": STORED,
    "a chunk after the end": STORED,
    "its metadata": STORED,
    "a session for a name that is taken": "412",
    "all in one request, without a range": STORED,
    "the end of a session whose name was taken meanwhile": "412",
    "other bytes than declared at the opening": "400",
    "other bytes than x-goog-hash says": "400",
    "metadata of what was refused": "404",
    "a chunk beyond what is persisted": "503",
    "a chunk that is no multiple of 256 KiB": "308 bytes=0-262143",
    "a malformed Content-Range": "400",
    "cancelling": "499",
    "status after cancelling": "404",
    "status of an unknown session": "404",
}


async def answers(root: str) -> AsyncIterator[tuple[str, str]]:
    """Each situation, and what the bucket says."""
    async with httpx.AsyncClient() as client:

        async def opened(name: str, declared: str | None = None) -> httpx.Response:
            return await client.post(
                f"{root}/upload/storage/v1/b/{BUCKET}/o",
                params={"uploadType": "resumable", "name": name, "ifGenerationMatch": "0"},
                json={"name": name} | ({"crc32c": declared} if declared else {}),
                headers={"X-Upload-Content-Length": str(SIZE), "X-Upload-Content-Type": "video/mp4"},
            )

        async def session(name: str, declared: str | None = None) -> str:
            return (await opened(name, declared)).headers["Location"]

        async def put(uri: str, span: str, content: bytes = b"", hashes: dict[str, str] | None = None) -> str:
            headers = ({"Content-Range": f"bytes {span}"} if span else {}) | (hashes or {})
            return _told(await client.put(uri, content=content, headers=headers))

        async def metadata(name: str) -> str:
            return _told(await client.get(f"{root}/storage/v1/b/{BUCKET}/o/{name}"))

        uri = await session("a")
        yield "status of a new session", await put(uri, f"*/{SIZE}")
        yield "status, size unknown", await put(uri, "*/*")
        yield "first chunk", await put(uri, f"0-{UNIT - 1}/{SIZE}", DATA[:UNIT])
        yield "status after a chunk", await put(uri, f"*/{SIZE}")
        yield "the same chunk again", await put(uri, f"0-{UNIT - 1}/{SIZE}", DATA[:UNIT])
        half = UNIT // 2
        yield "a chunk that overlaps by half", await put(uri, f"{half}-{2 * UNIT - 1}/{SIZE}", DATA[half : 2 * UNIT])
        last = DATA[2 * UNIT :]
        yield "another total than declared", await put(uri, f"{2 * UNIT}-{SIZE - 1}/{SIZE + 1}", last)
        yield "last chunk", await put(uri, f"{2 * UNIT}-{SIZE - 1}/{SIZE}", last, HASH)
        yield "status after the end", await put(uri, f"*/{SIZE}")
        yield "a chunk after the end", await put(uri, f"0-{UNIT - 1}/{SIZE}", DATA[:UNIT])
        yield "its metadata", await metadata("a")
        yield "a session for a name that is taken", _told(await opened("a"))
        first, second = await session("b"), await session("b")
        yield "all in one request, without a range", await put(first, "", DATA, HASH)
        meanwhile = await put(second, f"0-{SIZE - 1}/{SIZE}", DATA, HASH)
        yield "the end of a session whose name was taken meanwhile", meanwhile
        uri = await session("c", crc32c(DATA))
        yield "other bytes than declared at the opening", await put(uri, f"0-{SIZE - 1}/{SIZE}", DATA[::-1])
        uri = await session("d")
        yield "other bytes than x-goog-hash says", await put(uri, f"0-{SIZE - 1}/{SIZE}", DATA[::-1], HASH)
        yield "metadata of what was refused", await metadata("d")
        uri = await session("e")
        beyond = await put(uri, f"{UNIT}-{2 * UNIT - 1}/{SIZE}", DATA[UNIT : 2 * UNIT])
        yield "a chunk beyond what is persisted", beyond
        uri = await session("f")
        odd = await put(uri, f"0-{UNIT + 99}/{SIZE}", DATA[: UNIT + 100])
        yield "a chunk that is no multiple of 256 KiB", odd
        yield "a malformed Content-Range", await put(await session("g"), "x-y/z", DATA[:UNIT])
        uri = await session("h")
        yield "cancelling", _told(await client.delete(uri))
        yield "status after cancelling", await put(uri, f"*/{SIZE}")
        yield "status of an unknown session", await put(f"{uri}0", f"*/{SIZE}")


def _told(response: httpx.Response) -> str:
    told = [str(response.status_code)]
    if response.status_code == httpx.codes.PERMANENT_REDIRECT:
        told += [response.headers["Range"]] if "Range" in response.headers else []
    elif response.is_success and response.content:
        told += [response.json()["size"], response.json()["crc32c"]]
    return " ".join(told)


async def _main(root: str) -> None:
    async for situation, told in answers(root):
        mark = " " if told == EXPECTED[situation] else "!"
        sys.stdout.write(f"{mark} {situation:54} {EXPECTED[situation]:30} {told}\n")


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1]))
