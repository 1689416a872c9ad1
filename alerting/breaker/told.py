"""What was done about a burst, as an alert."""

from alerting.breaker.counts import Burst
from alerting.breaker.plan import Answer
from consumer.alerts import Alert


def alert_of(  # noqa: PLR0913 (the last two by name)
    burst: Burst, attribute: str, answer: Answer, why: str, *, group: str, instance: str
) -> Alert:
    """The alert that a reference matched too often.

    It has the same id whichever process tells it, because the time for which a reference is limited is in its row.

    Args:
        burst: what happened.
        attribute: of events, that tells people apart.
        answer: what became of the reference.
        why: why it is not limited.
        group: consumer group of the service.
        instance: the process that tells it.
    """
    last, version, at = burst.last, answer.version, answer.at or burst.last.at
    what = (
        f"The reference {last.reference} of {last.set} matched {burst.matches} times within an hour, from "
        f"{burst.people} values of {attribute}; its mean of 7 days is {burst.mean:.1f} an hour."
    )
    done = (
        f"It can only lead to review now, until `vigilens sets release {last.set} {last.reference}`. Look at it: if it "
        "is a common picture, remove it from the set; if it is spread on purpose, release it."
        if version
        else f"It still decides as before, because {why}. Look at it now: if it is a common picture, remove it from "
        "the set or disable it."
    )
    return Alert(
        kind="reference_burst",
        severity="warning" if version else "critical",
        subject=f"{last.set}/{last.reference}",
        version=at.isoformat(),
        sentence=f"{what} {done}",
        at=at,
        group=group,
        instance=instance,
        set=last.set,
        category=last.category or None,
        reference=last.reference,
        facts={
            "matches": burst.matches,
            "mean_per_hour": round(burst.mean, 3),
            "limit": round(burst.limit, 3),
            "people": burst.people,
            "attribute": attribute,
            "since": burst.since.isoformat(),
            "limited": bool(version),
            "set_version": version or last.version,
            "severity": last.severity,
            "label": last.label,
        },
    )
