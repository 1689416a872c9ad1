"""Errors of the Kafka client as sentences with the brokers' addresses: its own messages are names of classes."""

import logging
import os
import re
import time

from kafka.errors import (
    AuthorizationError,
    BrokerNotAvailableError,
    Cancelled,
    CoordinatorLoadInProgressError,
    CoordinatorNotAvailableError,
    InvalidMetadataError,
    KafkaConnectionError,
    KafkaTimeoutError,
    LeaderNotAvailableError,
    NetworkExceptionError,
    NodeNotReadyError,
    NotCoordinatorError,
    NotEnoughReplicasAfterAppendError,
    NotEnoughReplicasError,
    NotLeaderForPartitionError,
    RebalanceInProgressError,
    RequestTimedOutError,
    SaslAuthenticationFailedError,
    UnknownTopicOrPartitionError,
    UnstableOffsetCommitError,
)

_NUMBER = re.compile(r"(?:KafkaConnectionError: )?(\d+) E[A-Z]+")  # as in "111 ECONNREFUSED"
_FRESH_S = 30.0  # an older failure to connect says nothing about an error of now

# What the error means, by class; the first that fits. `{servers}` stands for the brokers' addresses.
_SENTENCES: tuple[tuple[type[Exception] | tuple[type[Exception], ...], str], ...] = (
    (SaslAuthenticationFailedError, "{servers} refuses our credentials; correct kafka.sasl_username and its password"),
    (AuthorizationError, "{servers} does not permit this user to do it; `vigilens check` says what"),
    (UnknownTopicOrPartitionError, "a topic is missing at {servers}"),
    (UnstableOffsetCommitError, "a transaction of a partition's former owner has not ended yet"),
    (RebalanceInProgressError, "the group is being rebalanced"),
    (
        (NotEnoughReplicasError, NotEnoughReplicasAfterAppendError),
        "fewer brokers of {servers} are in sync than min.insync.replicas asks for",
    ),
    (
        (CoordinatorNotAvailableError, CoordinatorLoadInProgressError, NotCoordinatorError),
        "the brokers at {servers} have no coordinator for us yet",
    ),
    ((LeaderNotAvailableError, NotLeaderForPartitionError), "a partition has no leader yet at {servers}"),
    (
        (
            BrokerNotAvailableError,
            Cancelled,
            KafkaConnectionError,
            KafkaTimeoutError,
            NetworkExceptionError,
            NodeNotReadyError,
            RequestTimedOutError,
            InvalidMetadataError,
        ),
        "no broker answers at {servers}",
    ),
)


class _LastFailure(logging.Handler):
    """Remembers why a connection failed last. The client raises bare time-outs; only its log has the reason."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._at, self._text = 0.0, ""

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage().partition("failed: ")[2].partition(" (backoff")[0]
        if not text or "Unable to bootstrap" in text:  # that sums up the failures before it
            return
        # Of several attempts some fail with "wrong password", others with "connection closed". The former says more.
        if "Authentication" in self.text() and "Authentication" not in text:
            return
        self._at, self._text = time.monotonic(), _NUMBER.sub(lambda found: os.strerror(int(found[1])).lower(), text)

    def text(self) -> str:
        """Return the reason; empty if there was none lately."""
        return self._text if time.monotonic() - self._at < _FRESH_S else ""


_last = _LastFailure()


def remember_failures() -> None:
    """From now on keep the reasons of failed connections. Other log lines of the client stay as they are."""
    connections = logging.getLogger("kafka.net")
    connections.setLevel(logging.WARNING)  # the client's own level may be too high for them
    connections.propagate = False  # the client reports each broken connection several times
    if _last not in connections.handlers:
        connections.addHandler(_last)


def last_failure() -> str:
    """Why a connection failed in the last half minute; empty if none did."""
    return _last.text()


def sentence(error: Exception, servers: str) -> str:
    """What a failed call means, in words, with the class's name for those who search for it.

    Args:
        error: of the client, or one that it is the cause or an argument of.
        servers: addresses of the brokers, as configured.
    """
    chain = [error, *(each for each in error.args if isinstance(each, Exception))]
    if isinstance(error.__cause__, Exception):
        chain.append(error.__cause__)
    name = type(error).__name__
    for each in chain:
        for classes, text in _SENTENCES:
            if isinstance(each, classes):
                reason = last_failure() if text.startswith("no broker") else ""
                return text.format(servers=servers) + (f": {reason}" if reason else "") + f" ({name})"
    return f"{servers}: {getattr(error, 'description', '') or error} ({name})"
