"""What the brokers' settings mean for ours."""

import pytest

from consumer import broker_limits, topics
from consumer.broker_limits import BrokerLimits
from consumer.clients import Connection

KAFKA = BrokerLimits(scan=10.0, least_session=6.0, most_session=1800.0, most_transaction=900.0)


def test_the_brokers_are_asked(kafka_cluster):
    with topics.admin(Connection(kafka_cluster.bootstrap)) as client:
        found = broker_limits.read(client)
    assert found == BrokerLimits(scan=1.0, least_session=1.0, most_session=1800.0, most_transaction=900.0)


class TwoBrokers:
    """Brokers with different settings; seconds by name, of each."""

    def __init__(self, *brokers):
        self.brokers = {str(number): each for number, each in enumerate(brokers)}

    def describe_cluster(self):
        return {"brokers": [{"broker_id": int(number)} for number in self.brokers]}

    def describe_configs(self, _resources, config_filter):  # noqa: ARG002 (kafka-python's signature)
        texts = {
            number: {name: {"value": str(int(seconds * 1000))} for name, seconds in each.items()}
            for number, each in self.brokers.items()
        }
        return {"broker": texts}


def test_of_brokers_that_differ_the_strictest_counts():
    names = (
        broker_limits.SCAN,
        broker_limits.LEAST_SESSION,
        broker_limits.MOST_SESSION,
        broker_limits.MOST_TRANSACTION,
    )
    brokers = TwoBrokers(*(dict(zip(names, each, strict=True)) for each in ((10, 6, 60, 900), (30, 9, 50, 700))))
    assert broker_limits.read(brokers) == BrokerLimits(30.0, 9.0, 50.0, 700.0)


def test_with_kafkas_own_settings_nothing_is_wrong_and_the_sentence_adds_the_scan():
    assert list(broker_limits.faults(KAFKA, 10.0, 10.0)) == []
    said = KAFKA.taken_over(10.0, 10.0)
    assert "after about 10 s" in said
    assert "10 to 20 s if it was killed within a transaction" in said


@pytest.mark.parametrize(
    ("limits", "session", "transaction", "fix", "fatal"),
    [
        (BrokerLimits(10.0, 30.0, 1800.0, 900.0), 10.0, 10.0, "set it to 30", True),
        (BrokerLimits(10.0, 6.0, 60.0, 900.0), 90.0, 10.0, "set it to 60", True),
        (BrokerLimits(10.0, 6.0, 1800.0, 5.0), 10.0, 10.0, "transaction.max.timeout.ms", True),
        (BrokerLimits(60.0, 6.0, 1800.0, 900.0), 10.0, 10.0, "can wait for 70 s", False),
    ],
)
def test_what_does_not_fit_is_named_with_the_fix(limits, session, transaction, fix, fatal):
    (fault,) = broker_limits.faults(limits, session, transaction)
    assert fix in fault.sentence
    assert fault.fatal == fatal
