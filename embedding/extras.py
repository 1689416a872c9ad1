"""Formats that need packages of their own, which are extras of Vigilens. Imports nothing."""

from importlib.util import find_spec

# Format → package, and the extra that installs it. pi-heif decodes only: it has no encoder, which has another licence.
EXTRAS = {"HEIC": ("pi_heif", "heic"), "JXL": ("imagecodecs", "jxl")}


def missing() -> dict[str, str]:
    """Format → the extra that would decode it, of those that are not installed."""
    return {name: extra for name, (package, extra) in EXTRAS.items() if find_spec(package) is None}
