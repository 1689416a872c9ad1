"""A record of the alerts topic, as far as we understand it: a later version may have kinds that we do not know."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from consumer.alerts import SEVERITIES

_ATTRIBUTE = re.compile("ce_([a-z0-9]+)")  # CloudEvents allow no other names
_UNKNOWN = len(SEVERITIES)  # what we do not know may be worse than all that we know


@dataclass(frozen=True, slots=True)
class Received:
    """An alert.

    Attributes:
        id: the same each time it is delivered.
        kind, severity, sentence: see `consumer.alerts.Alert`.
        fields: all of the alert, known or not.
        headers: the CloudEvent's attributes, without the prefix.
        value: of the record, unchanged.
    """

    id: str
    kind: str
    severity: str
    sentence: str
    fields: Mapping[str, Any]
    headers: Mapping[str, str]
    value: bytes

    @property
    def rank(self) -> int:
        """How severe it is; more is worse."""
        return SEVERITIES.index(self.severity) if self.severity in SEVERITIES else _UNKNOWN


def received(value: bytes | None, headers: Sequence[tuple[str, bytes | None]], place: str) -> Received | None:
    """The alert in a record; None if it is none.

    Args:
        value: of the record.
        headers: of the record.
        place: of the record, which is its id if it says no other.
    """
    try:
        fields = json.loads(value or b"")
        kind, severity, sentence = (fields[key] for key in ("kind", "severity", "sentence"))
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    if not all(isinstance(each, str) for each in (kind, severity, sentence)):
        return None
    attributes = {
        found[1]: text.decode(errors="replace")
        for name, text in headers
        if text is not None and (found := _ATTRIBUTE.fullmatch(name))
    }
    return Received(attributes.get("id") or place, kind, severity, sentence, fields, attributes, value or b"")
