"""`vigilens run --processes N` on a real broker: the processes share the work, and end together."""

import signal

import psutil
from drawn import drawn
from running_service import PATIENCE_S, Service, produce, running
from service_fixtures import event, settings, verdicts


def services(parent):
    """The processes of the service, without their decoders."""
    return [child for child in psutil.Process(parent).children() if "vigilens.cli" in child.cmdline()]


def test_processes_share_the_topic_and_end_together(kafka_cluster, topics, milvus):
    run = settings(kafka_cluster, topics, milvus.uri, VIGILENS_BATCH__IMAGES="4", VIGILENS_BATCH__WORKERS="2")
    with running(run, options=("--processes", "2")) as both:
        both.until("ready")  # the other one
        both.until("rewind")  # each has its share of the partitions
        assert len(services(both.process.pid)) == 2
        produce(kafka_cluster.bootstrap, topics.images, [event(f"e{each}", drawn(each)) for each in range(60)])
        assert len(verdicts(kafka_cluster, topics, 60)) == 60
        code, log = both.end()
    assert code == 0
    assert log.count('"message": "stopped"') == 2


def test_if_one_is_killed_the_others_stop_and_the_exit_code_says_so(kafka_cluster, topics, milvus):
    with running(settings(kafka_cluster, topics, milvus.uri), options=("--processes", "2")) as both:
        both.until("ready")
        first, second = services(both.process.pid)
        first.send_signal(signal.SIGKILL)
        assert both.process.wait(PATIENCE_S) == signal.SIGKILL
        assert not second.is_running()


def test_a_milvus_lite_file_is_refused_because_only_one_process_can_open_it(kafka_cluster, topics, tmp_path):
    service = Service(settings(kafka_cluster, topics, str(tmp_path / "sets.db")), options=("--processes", "2"))
    service.process.wait(PATIENCE_S)
    code, log = service.end()
    service.process.stderr.close()
    assert (code, "vigilens milvus" in log) == (2, True)
