"""Ports for servers that are about to start."""

import socket
from contextlib import suppress
from random import SystemRandom


def free_ports(count: int) -> list[int]:
    """Different ports of 127.0.0.1 on which nobody listens now.

    They lie below those that the system gives to outgoing connections, so that a port stays free while its server is
    down for a moment. Another program may still take one before you listen on it.
    """
    chosen: list[int] = []
    while len(chosen) < count:
        port = SystemRandom().randrange(20_000, 30_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            if port not in chosen:
                chosen.append(port)
    return chosen
