"""Hashes for tests, and a list of them."""

import numpy as np

HASHES = [np.random.default_rng(number).bytes(32).hex() for number in range(8)]
MD5, SHA1 = "d" * 32, "e" * 40


def lines(*values: str) -> str:
    return "".join(f"pdq {value}\n" for value in values)
