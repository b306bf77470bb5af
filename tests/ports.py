"""Ports for what tests start."""

import socket


def free_port() -> int:
    """A loopback port that nothing listened on a moment ago; a service that is killed and restarted keeps it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
