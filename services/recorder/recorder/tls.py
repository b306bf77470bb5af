"""Whom the recorder trusts when it calls: one context for all its clients, since each costs a megabyte."""

import ssl
from functools import cache

import httpx


@cache
def trust() -> ssl.SSLContext:
    """What httpx would make anew for each client."""
    return httpx.create_ssl_context()
