"""What the brokers' own settings mean for sessions, transactions, and how soon other processes take over."""

from collections.abc import Iterator
from dataclasses import dataclass

from kafka import KafkaAdminClient
from kafka.admin import ConfigResource

from consumer.topics import Fault, NoAnswer

SCAN = "transaction.abort.timed.out.transaction.cleanup.interval.ms"
LEAST_SESSION, MOST_SESSION = "group.min.session.timeout.ms", "group.max.session.timeout.ms"
MOST_TRANSACTION = "transaction.max.timeout.ms"

USUAL_SCAN_S = 10.0  # Kafka's default


@dataclass(frozen=True, slots=True)
class BrokerLimits:
    """Settings of all brokers, the strictest of each; in seconds.

    Attributes:
        scan: between two looks for transactions that are too old.
        least_session: the shortest session of a member.
        most_session: the longest one.
        most_transaction: the longest transaction.
    """

    scan: float
    least_session: float
    most_session: float
    most_transaction: float

    def taken_over(self, session_s: float, transaction_s: float) -> str:
        """A sentence: when other processes have the partitions of a killed one."""
        return (
            f"others have the partitions of a killed process after about {session_s:g} s, or {transaction_s:g} to "
            f"{transaction_s + self.scan:g} s if it was killed within a transaction: the brokers look for old ones "
            f"every {self.scan:g} s ({SCAN})"
        )


def read(client: KafkaAdminClient) -> BrokerLimits:
    """Ask all brokers.

    Raises:
        KafkaError: no answer.
        NoAnswer: not permitted.
    """
    brokers = [str(each["broker_id"]) for each in client.describe_cluster()["brokers"]]
    answers = client.describe_configs([ConfigResource("BROKER", each) for each in brokers], config_filter="all")
    found = [answers["broker"].get(each) for each in brokers]

    def seconds(name: str) -> list[float]:
        if any(not each or name not in each for each in found):
            raise NoAnswer("this user may not read the brokers' settings; permit DescribeConfigs of the cluster")
        return [int(each[name]["value"]) / 1000 for each in found if each]

    return BrokerLimits(
        scan=max(seconds(SCAN)),
        least_session=max(seconds(LEAST_SESSION)),
        most_session=min(seconds(MOST_SESSION)),
        most_transaction=min(seconds(MOST_TRANSACTION)),
    )


def faults(limits: BrokerLimits, session_s: float, transaction_s: float) -> Iterator[Fault]:
    """What does not fit together, worst first.

    Args:
        limits: of the brokers.
        session_s: kafka.session_timeout_s.
        transaction_s: kafka.transaction_timeout_s.
    """
    if not limits.least_session <= session_s <= limits.most_session:
        yield Fault(
            f"kafka.session_timeout_s is {session_s:g}, but the brokers permit {limits.least_session:g} to "
            f"{limits.most_session:g} s ({LEAST_SESSION}, {MOST_SESSION}): set it to "
            f"{min(max(session_s, limits.least_session), limits.most_session):g}",
            fatal=True,
        )
    if transaction_s > limits.most_transaction:
        yield Fault(
            f"kafka.transaction_timeout_s is {transaction_s:g}, but the brokers permit {limits.most_transaction:g} s "
            f"({MOST_TRANSACTION}): set it to that or less",
            fatal=True,
        )
    if limits.scan > USUAL_SCAN_S:
        yield Fault(
            f"the brokers look for old transactions every {limits.scan:g} s only, so the partitions of a process that "
            f"was killed within one can wait for {transaction_s + limits.scan:g} s: set {SCAN} to "
            f"{int(USUAL_SCAN_S * 1000)} or less, which takes a restart of the brokers",
            fatal=False,
        )
