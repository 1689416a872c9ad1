"""Ports for servers that are about to start."""

import socket
from contextlib import suppress
from random import SystemRandom


def free_ports(count: int) -> list[int]:
    """Different ports of 127.0.0.1 that are free now.

    They are below those that the system uses for outgoing connections, so that a port stays free while its server is
    restarted. Another program may still take one before you listen on it.
    """
    chosen: list[int] = []
    while len(chosen) < count:
        port = SystemRandom().randrange(20_000, 30_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            if port not in chosen:
                chosen.append(port)
    return chosen
