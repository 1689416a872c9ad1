"""An alert → the request's body and headers, in the shape that the receiver expects. Pure.

plain     the alert as it is in the topic, as a CloudEvent in HTTP's binary mode
slack     for an incoming webhook of Slack, or of whoever takes the same (Mattermost, Rocket.Chat)
osprey    an action for ROOST's rules engine Osprey, as its Kafka input expects it: {"send_time", "data": {"action_id",
          "action_name", "data"}}. Osprey has no HTTP input: something of yours puts the body into its topic
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from alerting.notify.alert import Received

Made = tuple[bytes, dict[str, str]]

_JSON = {"content-type": "application/json"}
_PRINTABLE = (
    "!#$&'()*+,-./:;<=>?@[\\]^_`{|}~"  # what a CloudEvent's header may have as it is, besides letters and digits
)
_SLACK_TITLE, _SLACK_TEXT = 150, 3000  # characters; Slack refuses longer ones
_COLOURS = {"info": "#2f80ed", "warning": "#e2a03f"}
_WORST = "#d64545"


def plain(alert: Received) -> Made:
    """The alert unchanged, with the CloudEvent's attributes as headers."""
    named = {f"ce-{name}": quote(text, safe=_PRINTABLE) for name, text in alert.headers.items()}
    return alert.value, {**_JSON, **named, "ce-id": quote(alert.id, safe=_PRINTABLE)}


def slack(alert: Received) -> Made:
    """A message with the sentence, and what tells it apart below. Nothing in it is read as a command to Slack."""
    title = f"Vigilens: {alert.kind.replace('_', ' ')} ({alert.severity})"
    below = " · ".join(f"{key}: {alert.fields[key]}" for key in ("subject", "group", "at") if alert.fields.get(key))
    blocks = [
        {"type": "header", "text": _text(title, _SLACK_TITLE)},
        {"type": "section", "text": _text(alert.sentence, _SLACK_TEXT)},
        {"type": "context", "elements": [_text(below or alert.id, _SLACK_TEXT)]},
    ]
    colour = _COLOURS.get(alert.severity, _WORST)
    return _body({"text": _escaped(title), "attachments": [{"color": colour, "blocks": blocks}]})


def osprey(alert: Received) -> Made:
    """An action named after the alert's kind. Its number comes from the alert's id, so it stays the same."""
    number = int.from_bytes(hashlib.sha256(alert.id.encode()).digest()[:8]) >> 1
    data: Mapping[str, Any] = {"event_type": f"vigilens_{alert.kind}", "alert_id": alert.id, **alert.fields}
    action = {"action_id": str(number), "action_name": f"vigilens_{alert.kind}", "data": data}
    return _body({"send_time": alert.fields.get("at"), "data": action})


TEMPLATES: Mapping[str, Callable[[Received], Made]] = {"plain": plain, "slack": slack, "osprey": osprey}


def _text(text: str, most: int) -> dict[str, Any]:
    short = text if len(text) <= most else f"{text[: most - 1]}…"
    return {"type": "plain_text", "text": short or "-", "emoji": False}


def _escaped(text: str) -> str:
    """Text in which Slack finds no mention, link or command."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _body(value: Mapping[str, Any]) -> Made:
    return json.dumps(value).encode(), dict(_JSON)  # ASCII: UTF-8 has no place for half of a surrogate pair
