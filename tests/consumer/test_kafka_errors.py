"""Errors of the Kafka client as sentences."""

import logging

import pytest
from kafka import errors

from consumer import kafka_errors
from consumer.kafka_errors import last_failure, remember_failures, sentence

SERVERS = "kafka-1:9092,kafka-2:9092"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (errors.KafkaConnectionError("111 ECONNREFUSED"), f"no broker answers at {SERVERS}"),
        (errors.KafkaTimeoutError(), f"no broker answers at {SERVERS}"),
        (errors.NodeNotReadyError(1), f"no broker answers at {SERVERS}"),
        (errors.SaslAuthenticationFailedError(), f"{SERVERS} refuses our credentials"),
        (errors.TopicAuthorizationFailedError("images"), "does not permit this user"),
        (errors.NotEnoughReplicasError(), "min.insync.replicas"),
        (errors.NotLeaderForPartitionError(), f"a partition has no leader yet at {SERVERS}"),
        (errors.CoordinatorNotAvailableError(), "no coordinator"),
        (errors.UnstableOffsetCommitError(), "a transaction of a partition's former owner"),
        (errors.RebalanceInProgressError(), "the group is being rebalanced"),
        (errors.KafkaError(errors.NotEnoughReplicasError()), "min.insync.replicas"),  # the client wraps some
        (errors.CorruptRecordError(), f"{SERVERS}: This message has failed its CRC"),
    ],
)
def test_an_error_is_a_sentence_with_the_address_and_the_class_at_its_end(error, words):
    said = sentence(error, SERVERS)
    assert words in said
    assert said.endswith(f"({type(error).__name__})")


def test_a_bare_time_out_gets_the_reason_of_the_last_failed_connection(monkeypatch):
    log = logging.getLogger("kafka.net.manager")
    monkeypatch.setattr(kafka_errors, "_last", kafka_errors._LastFailure())
    monkeypatch.setattr(logging.getLogger("kafka.net"), "handlers", [])
    remember_failures()
    log.error("Connection failed: %s", errors.KafkaConnectionError("111 ECONNREFUSED"))
    log.error("Bootstrap failed: %s", errors.KafkaTimeoutError("Unable to bootstrap from ['kafka-1:9092']"))
    assert last_failure() == "connection refused"
    assert sentence(errors.KafkaTimeoutError(), SERVERS) == (
        f"no broker answers at {SERVERS}: connection refused (KafkaTimeoutError)"
    )
    log.error("Connection failed: %s", errors.SaslAuthenticationFailedError("Authentication failed: wrong password"))
    log.error("Connection failed: %s", errors.KafkaConnectionError("104 ECONNRESET"))
    assert "wrong password" in last_failure()  # it says more than what follows from it
    monkeypatch.setattr(kafka_errors, "_FRESH_S", 0.0)
    assert last_failure() == ""  # an old reason says nothing
