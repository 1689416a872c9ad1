"""The service while Kafka refuses its transactions: it says why, tries less often, and goes on when it may."""

from contextlib import ExitStack, suppress

from drawn import drawn
from running_service import PATIENCE_S, produce, read_committed, running
from service_fixtures import KNOWN, event, settings

EVENTS = 40
# Kafka refuses records from more than an hour ahead.
AHEAD = "import time; now = time.time; time.time = lambda: now() + 7200; from vigilens.cli import main; main()"


def send(cluster, topics, count=EVENTS):
    produce(cluster.bootstrap, topics.images, [event(f"e{number}", drawn(KNOWN)) for number in range(count)])


def test_with_a_clock_two_hours_ahead_the_service_is_not_ready_names_the_clock_and_tries_less_and_less_often(
    kafka_cluster, topics, milvus
):
    short = settings(kafka_cluster, topics, milvus.uri, VIGILENS_WAITING__GIVE_UP_S="6")
    with running(short, program=("-c", AHEAD)) as service:
        send(kafka_cluster, topics)
        service.wait_until_ready_says(503)
        assert "correct this host's clock" in service.get("/ready")[1]
        states = set()
        with suppress(OSError):  # it has ended, because give_up_s is over
            for _ in range(10_000):
                states.add(service.get("/ready")[0])
        service.process.wait(PATIENCE_S)
        code, log = service.end()
    assert (code, states) == (1, {503})
    assert "all transactions failed for 6 s" in log.splitlines()[-1]
    assert 3 <= log.count("the transaction failed") < 20
    with running(settings(kafka_cluster, topics, milvus.uri)):
        read_committed(kafka_cluster.bootstrap, topics.verdicts, EVENTS)


def test_two_services_with_one_instance_name_the_instance_and_still_get_their_work_done(kafka_cluster, topics, milvus):
    same = settings(kafka_cluster, topics, milvus.uri, VIGILENS_KAFKA__INSTANCE="same", VIGILENS_BATCH__IMAGES="1")
    with ExitStack() as stack:
        services = [stack.enter_context(running(same)) for _ in range(2)]
        sent, ready = 0, []
        while not any("give each process its own kafka.instance" in text for _, text in ready):
            assert sent < 100 * EVENTS, ready
            send(kafka_cluster, topics)  # while both have work, they stand in each other's way
            sent += EVENTS
            ready = [service.get("/ready") for service in services]
        read_committed(kafka_cluster.bootstrap, topics.verdicts, sent)
