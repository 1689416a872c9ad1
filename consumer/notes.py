"""The note that travels with a committed offset, as its metadata: which topic it counts in, and who judges there."""

from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError


class Note(BaseModel):
    """What the metadata of a committed offset says, as JSON.

    Attributes:
        topic: the topic's id, as Kafka writes it: an offset of a topic that was deleted means nothing in its successor.
            Empty if the brokers do not say it (before Kafka 2.8).
        attempt: how many times a process has begun to judge the events from this offset on; 0: none is judging them.
        until: the offset after the last event of that attempt.
        by: the group's member that makes the attempt.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    topic: str = ""
    attempt: int = 0
    until: int = 0
    by: str = ""

    def text(self) -> str:
        """For the metadata; without what has its default."""
        return self.model_dump_json(exclude_defaults=True)

    @classmethod
    def read(cls, text: str | None) -> Self:
        """The note in the metadata of a committed offset; an empty one if another program wrote the metadata."""
        try:
            return cls.model_validate_json(text or "{}")
        except ValidationError:
            return cls()
