"""Reads verdicts and gives each one to a queue by its decision. Copy it, and replace `Store` by your database.

pip install confluent-kafka; the settings are environment variables, see the README beside this folder.
"""

import json
import logging
import os
import signal
import sqlite3
from collections.abc import Mapping
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

TYPE = "vigilens.verdict.v2"  # the type names the major version; minor versions only add fields
QUEUES = ("allow", "review", "block", "unscannable")
BATCH = 20  # records that are handled in one transaction of the store
log = logging.getLogger("route_verdicts")


class Unreadable(Exception):  # noqa: N818 (an answer, not an error)
    """The record is no verdict that we know; the message says why."""


def queue_of(decision: object) -> str:
    """Where an image goes. A decision that is newer than this program is for a person, never for `allow`."""
    return str(decision) if decision in QUEUES else "review"


def read(message: Message) -> tuple[str, dict[str, Any]]:
    """The verdict's id and the verdict. Fields that we do not know are left alone.

    Raises:
        Unreadable: it is something else.
    """
    headers = dict(message.headers() or {})
    type_, id_ = (_text(headers.get(name)) for name in ("ce_type", "ce_id"))
    if type_ != TYPE:
        raise Unreadable(f"the type is {type_!r}")
    if not id_:
        raise Unreadable("there is no id")
    try:
        verdict = json.loads(message.value() or b"")
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"the value is not JSON: {error}") from error
    if not isinstance(verdict, dict) or "decision" not in verdict:
        raise Unreadable("the value is no verdict")
    return id_, verdict


def _text(header: str | bytes | None) -> str | None:
    return header.decode(errors="replace") if isinstance(header, bytes) else header


class Store:
    """What was handled, and with what result: one transaction for both, so that neither is there without the other.

    The primary key makes handling a verdict twice harmless. All instances of this program must share the store.
    """

    def __init__(self, path: str) -> None:
        self._database = sqlite3.connect(path, timeout=30, isolation_level=None)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("CREATE TABLE IF NOT EXISTS handled (id TEXT PRIMARY KEY, queue TEXT, image TEXT)")

    def handle(self, messages: list[Message]) -> None:
        """Put each verdict into its queue, once. A record that cannot be read goes into the queue `dead`."""
        rows = [self._row(message) for message in messages]
        with self._database:  # commits, or rolls back if something goes wrong
            self._database.execute("BEGIN IMMEDIATE")
            self._database.executemany("INSERT OR IGNORE INTO handled VALUES (?, ?, ?)", rows)

    @staticmethod
    def _row(message: Message) -> tuple[str, str, str]:
        try:
            id_, verdict = read(message)
        except Unreadable as why:
            place = f"{message.topic()}/{message.partition()}/{message.offset()}"
            log.warning("%s cannot be read: %s", place, why)
            return place, "dead", str(why)
        image = str(verdict.get("image_id")).encode(errors="replace").decode()  # JSON permits half of a surrogate pair
        return id_, queue_of(verdict["decision"]), image

    def close(self) -> None:
        """Close the database."""
        self._database.close()


def settings(env: Mapping[str, str]) -> dict[str, Any]:
    """The client's configuration."""
    options = {
        "bootstrap.servers": env.get("KAFKA_BOOTSTRAP_SERVERS", "localhost:9092"),
        "group.id": env.get("KAFKA_GROUP", "moderation"),
        "security.protocol": env.get("KAFKA_SECURITY_PROTOCOL", "PLAINTEXT"),
        "sasl.mechanism": env.get("KAFKA_SASL_MECHANISM"),
        "sasl.username": env.get("KAFKA_SASL_USERNAME"),
        "sasl.password": env.get("KAFKA_SASL_PASSWORD"),
        "ssl.ca.location": env.get("KAFKA_SSL_CA"),
        "session.timeout.ms": int(env.get("KAFKA_SESSION_TIMEOUT_MS", "10000")),
        "heartbeat.interval.ms": 1000,
        "isolation.level": "read_committed",  # or verdicts of aborted transactions are read too
        "enable.auto.commit": False,  # we commit after handling, so nothing is lost
        "auto.offset.reset": "earliest",
    }
    return {name: value for name, value in options.items() if value is not None}


def commit(consumer: Consumer, messages: list[Message]) -> None:
    """Commit what was handled. If the group was rebalanced meanwhile, it comes again, and the store ignores it."""
    following: dict[tuple[str, int], int] = {}
    for each in messages:
        following[str(each.topic()), each.partition() or 0] = (each.offset() or 0) + 1
    try:
        consumer.commit(
            offsets=[TopicPartition(*where, after) for where, after in following.items()], asynchronous=False
        )
    except KafkaException as error:
        log.warning("not committed, the records will come again: %s", error)


def run(consumer: Consumer, store: Store, env: Mapping[str, str]) -> None:
    """Read until SIGTERM or Ctrl-C. An error of the store ends the program: start it again, nothing is lost."""
    running = True

    def stop(*_: object) -> None:
        nonlocal running
        running = False

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    consumer.subscribe([env.get("VERDICTS_TOPIC", "vigilens.verdicts")])
    while running:
        messages = []
        for each in consumer.consume(BATCH, timeout=0.5):
            if (error := each.error()) is None:
                messages.append(each)
            elif error.fatal() or error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
                raise KafkaException(error)
            else:
                log.warning("%s", error)  # the client tries again by itself
        if messages:
            store.handle(messages)
            commit(consumer, messages)


def main() -> None:
    """Run the program with the settings of the environment."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    store = Store(os.environ.get("STORE", "handled.db"))
    consumer = Consumer(settings(os.environ))
    try:
        run(consumer, store, os.environ)
    finally:
        consumer.close()  # leaves the group, so that others take its partitions at once
        store.close()
    log.info("stopped")


if __name__ == "__main__":
    main()
