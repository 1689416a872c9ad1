"""The alerts that the service raises, until they are published with a heartbeat."""

import hashlib
from collections import deque
from datetime import UTC, datetime

from kafka import TopicPartition
from pydantic import JsonValue

from consumer.alerts import Alert, Kind, Severity, alert_record
from consumer.batch import Batch
from consumer.metrics import Metrics
from consumer.records import Record
from embedding.image import Reason
from matcher.judge import Judged

_REMEMBERED = 1_000  # alerts that are not raised again by this process, and that wait for the alerts topic


class Raised:
    """Collects alerts. Belongs to the loop's thread.

    A condition that lasts is told once a day: the day is a part of the alert's version. So all processes give it the
    same id, and who keeps the ids hears of it once.

    Args:
        group: consumer group of the service.
        instance: this process.
        topic: the alerts topic; empty: nothing is raised.
        metrics: count what was published.
    """

    def __init__(self, group: str, instance: str, topic: str, metrics: Metrics) -> None:
        self._group = group
        self._instance = instance
        self._topic = topic
        self._metrics = metrics
        self._pending: deque[Alert] = deque(maxlen=_REMEMBERED)
        self._known: deque[str] = deque(maxlen=_REMEMBERED)

    @property
    def pending(self) -> bool:
        """Is there anything to publish?"""
        return bool(self._pending)

    def records(self) -> list[Record]:
        """What is to be published. It stays so until `published`."""
        return [alert_record(each, self._topic) for each in self._pending]

    def sentences(self) -> list[str]:
        """What is to be published, for the log."""
        return [each.sentence for each in self._pending]

    def published(self) -> None:
        """The records were committed."""
        for each in self._pending:
            self._metrics.alerted(each.kind)
        self._pending.clear()

    def look_at(self, batch: Batch, judged: Judged) -> None:
        """Raise what a judged batch shows: sets that are left out, indexes that miss copies, pictures given up."""
        for name, why in judged.snapshot.skipped.items():
            self.not_comparable(name, why)
        sets = {known.name: known for known in judged.snapshot.sets}
        for name, recall in judged.recalls.items():
            if recall.low and name in sets:
                self._recall_low(name, sets[name].category, sets[name].version, recall.share, recall.lower)
        for event, verdict in zip(batch.events, judged.verdicts, strict=True):
            if verdict.reason == Reason.GAVE_UP:
                at = f"{event.partition.topic}/{event.partition.partition}/{event.offset}"
                self._raise(
                    "poison_picture",
                    "critical",
                    at,
                    batch.topic_id or "1",
                    f"The event {verdict.event_id} at {at} ended several processes and was given up: look at its "
                    "picture with care, and at the memory of the processes.",
                    facts={"event_id": verdict.event_id, "image_id": verdict.image_id, "detail": verdict.detail},
                )

    def not_comparable(self, name: str, why: str) -> None:
        """Raise that images are not compared with a set; `name` may be "sets" if none can be used."""
        digest = hashlib.sha256(why.encode()).hexdigest()[:8]
        self._raise(
            "set_not_comparable",
            "critical",
            name,
            f"{digest}-{_today()}",
            f"Images are not compared with {name}: {why}",
            set_=name,
            facts={"why": why},
        )

    def expired(self, at: TopicPartition, first: int, events: int) -> None:
        """Raise that retention has deleted `events` of a partition, all before the offset `first`."""
        self._metrics.expired(events)
        self._raise(
            "retention_overtook",
            "critical",
            f"{at.topic}/{at.partition}",
            str(first),
            f"{events} events of {at.topic}, partition {at.partition}, were deleted by retention before they were "
            "judged: they have no verdict. Add processes, or let the topic keep events for longer (retention.ms).",
            facts={"events": events, "first_offset": first},
        )

    def _recall_low(self, name: str, category: str, version: int, share: float, lower: float) -> None:
        self._raise(
            "recall_low",
            "warning",
            name,
            f"{version}-{_today()}",
            f"The index of {name} finds {share:.1%} of planted copies, which is too few: choose its parameters again "
            f"with `vigilens sets index {name}`.",
            set_=name,
            category=category,
            facts={"share": round(share, 4), "lower": round(lower, 4), "set_version": version},
        )

    def _raise(  # noqa: PLR0913 (the parts of an alert)
        self,
        kind: Kind,
        severity: Severity,
        subject: str,
        version: str,
        sentence: str,
        *,
        set_: str | None = None,
        category: str | None = None,
        facts: dict[str, JsonValue],
    ) -> None:
        alert = Alert(
            kind=kind,
            severity=severity,
            subject=subject,
            version=version,
            sentence=sentence,
            at=datetime.now(UTC),
            group=self._group,
            instance=self._instance,
            set=set_,
            category=category,
            reference=None,
            facts=facts,
        )
        if self._topic and alert.id not in self._known:
            self._known.append(alert.id)
            self._pending.append(alert)


def _today() -> str:
    return datetime.now(UTC).date().isoformat()
