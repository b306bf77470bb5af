"""Checksums as Google Cloud Storage writes them, and so everything that is compared with it."""

import base64


def as_base64(crc32c: int) -> str:
    """A CRC32C: base64 of its big-endian bytes.

    >>> as_base64(0)
    'AAAAAA=='
    """
    return base64.b64encode(crc32c.to_bytes(4, "big")).decode()
