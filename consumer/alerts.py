"""An alert: what somebody should know or do, as a record of the alerts topic.

Alerts are delivered at least once. The same alert has the same id each time, so receivers drop an id that they know.
"""

from datetime import UTC, datetime
from typing import Any, Literal

from cloudevents.core.bindings.kafka import to_binary_event
from cloudevents.core.v1.event import CloudEvent
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from consumer.records import Record

ALERT_TYPE = "vigilens.alert.v1"
ALERT_SCHEMA_VERSION: Literal["1.0"] = "1.0"
ALERT_SCHEMA_ID = f"https://vigilens.dev/schemas/alert/{ALERT_SCHEMA_VERSION}.json"

Kind = Literal["reference_burst", "set_not_comparable", "recall_low", "poison_picture", "retention_overtook"]
Severity = Literal["info", "warning", "critical"]
KINDS: tuple[Kind, ...] = (
    "reference_burst",
    "set_not_comparable",
    "recall_low",
    "poison_picture",
    "retention_overtook",
)
SEVERITIES: tuple[Severity, ...] = ("info", "warning", "critical")  # least first


class Alert(BaseModel):
    """The value of a record of the alerts topic."""

    model_config = ConfigDict(frozen=True)

    schema_version: Literal["1.0"] = ALERT_SCHEMA_VERSION
    kind: Kind = Field(
        description="`reference_burst`: a reference matched far more than it used to; `facts.limited`: it "
        "can only lead to review now. "
        "`set_not_comparable`: a set is left out of judging. `recall_low`: a set's index misses copies. "
        "`poison_picture`: a picture ended whole processes and was given up. `retention_overtook`: events were deleted "
        "before they were judged."
    )
    severity: Severity
    subject: str = Field(description="SET/ID, SET, TOPIC/PARTITION/OFFSET or TOPIC/PARTITION, depending on `kind`.")
    version: str = Field(
        description="Tells alerts of one kind and subject apart: another text each time that it happens anew."
    )
    sentence: str = Field(description="What happened, and what to do.")
    at: datetime = Field(description="When it happened.")
    group: str = Field(description="Consumer group of the service.")
    instance: str = Field(description="The process that raised the alert.")
    set: str | None = Field(description="Name of the set, if it is about one.")
    category: str | None = Field(description="The set's category.")
    reference: str | None = Field(description="Id of the reference, if it is about one.")
    facts: dict[str, JsonValue] = Field(description="Numbers and names behind the sentence, by `kind`.")

    @property
    def id(self) -> str:
        """The CloudEvent's id: the same whenever this alert is delivered."""
        return f"{self.kind}/{self.subject}/{self.version}"


def alert_record(alert: Alert, topic: str) -> Record:
    """The alert as a CloudEvent in binary mode; its key is the subject."""
    cloud = CloudEvent(
        {
            "specversion": "1.0",
            "id": alert.id,
            "source": f"urn:vigilens:{alert.group}",
            "type": ALERT_TYPE,
            "subject": alert.subject,
            "time": alert.at,
            "dataschema": ALERT_SCHEMA_ID,
            "datacontenttype": "application/json",
        },
        alert.model_dump_json().encode(),
    )
    message = to_binary_event(cloud)
    return Record(topic, message.value, alert.subject.encode(), list(message.headers.items()))


def example() -> Alert:
    """An alert of the breaker, as docs/alert.schema.json shows it."""
    return Alert(
        kind="reference_burst",
        severity="warning",
        subject="known_spam/5f0c2e9a",
        version="2026-11-21T12:20:30+00:00",
        sentence="The reference 5f0c2e9a of known_spam matched 26 times within an hour, from 7 values of user; its "
        "mean of 7 days is 0.8 an hour. It can only lead to review now, until `vigilens sets release known_spam "
        "5f0c2e9a`. Look at it: if it is a common picture, remove it from the set; if it is spread on purpose, release "
        "it.",
        at=datetime(2026, 11, 21, 12, 20, 30, tzinfo=UTC),
        group="vigilens",
        instance="host-0",
        set="known_spam",
        category="spam",
        reference="5f0c2e9a",
        facts={
            "matches": 26,
            "mean_per_hour": 0.8,
            "limit": 25.0,
            "people": 7,
            "attribute": "user",
            "since": "2026-11-21T11:58:00+00:00",
            "limited": True,
            "set_version": 13,
            "severity": 50,
            "label": "case-211/a.jpg",
        },
    )


def json_schema() -> dict[str, Any]:
    """The JSON Schema of an alert, as published in docs/alert.schema.json."""
    schema = Alert.model_json_schema(mode="serialization")
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": ALERT_SCHEMA_ID}
    return {**head, **schema, "examples": [example().model_dump(mode="json")]}
