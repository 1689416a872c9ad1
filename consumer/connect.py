"""How a Kafka client reaches the brokers: address, TLS and SASL, for every client that we build."""

import importlib.util
from dataclasses import dataclass, field
from typing import Any

NO_FAST_CHECKSUMS = "without the C crc32c large records take 10 times as long: pip install 'kafka-python[crc32c]'"
BOOTSTRAP_MS = 5_000  # one attempt to reach any of the brokers; who waits longer, tries again


@dataclass(frozen=True, slots=True)
class Connection:
    """Addresses and credentials. Secrets are left out of its repr.

    Attributes:
        bootstrap_servers: host:port, comma-separated.
        security_protocol: PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL.
        sasl_mechanism: empty, PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512.
        ssl_cafile: PEM file; empty: the system's certificate authorities.
    """

    bootstrap_servers: str
    security_protocol: str = "PLAINTEXT"
    sasl_mechanism: str = ""
    sasl_username: str = ""
    sasl_password: str = field(default="", repr=False)
    ssl_cafile: str = ""
    ssl_certfile: str = ""
    ssl_keyfile: str = ""
    ssl_key_password: str = field(default="", repr=False)

    def options(self) -> dict[str, Any]:
        """Keyword arguments that all clients of kafka-python take."""
        return {
            "bootstrap_timeout_ms": BOOTSTRAP_MS,
            "bootstrap_servers": [each.strip() for each in self.bootstrap_servers.split(",") if each.strip()],
            "security_protocol": self.security_protocol,
            "sasl_mechanism": self.sasl_mechanism or None,
            "sasl_plain_username": self.sasl_username or None,
            "sasl_plain_password": self.sasl_password or None,
            "ssl_cafile": self.ssl_cafile or None,
            "ssl_certfile": self.ssl_certfile or None,
            "ssl_keyfile": self.ssl_keyfile or None,
            "ssl_password": self.ssl_key_password or None,
        }


def has_fast_checksums() -> bool:
    """Whether the C library for checksums is there, which kafka-python then takes by itself."""
    return importlib.util.find_spec("crc32c") is not None
