"""Names of what is compared in memory and not by Milvus (plain values, standard library only)."""

IN_MEMORY = "memory"  # `ReferenceSet.index` of lists of hashes: Milvus stores them, and we search them in memory
NO_VECTOR = (1.0, 0.0)  # of their references: Milvus needs a vector
# `ReferenceSet.encoder` of lists of MD5, SHA-1 and SHA-256, which are compared with the digests of files, and its name.
EXACT = "exact:1"
EXACT_NAME = "exact"


def is_exact(fingerprint: str) -> bool:
    """Return whether a set compares digests of files instead of pictures."""
    return fingerprint.startswith(f"{EXACT_NAME}:")
