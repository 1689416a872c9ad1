"""A short demo on a real broker, and what happens when it is interrupted or fails."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import psutil
import pytest
from click.testing import CliRunner
from html_page import Page, joins
from kafka import KafkaAdminClient

from harness.processes import Leash, ProgramFailed
from harness.service import plain_environment, service, write_settings
from vigilens.cli import main

SHORT = ["--pictures", "50", "--rate", "200"]
TIMEOUT_S = 300  # 15 s on an idle machine


def start(folder, **variables):
    program = [sys.executable, "-m", "vigilens.cli", "demo", "--folder", str(folder), *SHORT]
    environment = {**plain_environment(os.environ), "VIGILENS_KAFKA__GROUP": "another-group", **variables}
    return subprocess.Popen(
        program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, encoding="utf-8"
    )


@pytest.fixture(scope="module")
def done(kafka_cluster, tmp_path_factory):
    """A finished demo on the brokers of KAFKA_BOOTSTRAP_SERVERS: its folder and what it printed."""
    folder = tmp_path_factory.mktemp("demo")
    process = start(folder, KAFKA_BOOTSTRAP_SERVERS=kafka_cluster.bootstrap)
    out, errors = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 0, out + errors
    return folder, out


def test_the_demo_gives_each_event_one_verdict_and_the_sums_agree(done):
    _, out = done
    assert "50 events, 50 verdicts: " in out
    assert "the metrics topic adds up to 50 verdicts" in out
    keys = re.findall(r"^(image-\d{4}) ", out, re.MULTILINE)
    assert sorted(keys) == [f"image-{number:04d}" for number in range(1, 51)]


def test_the_demo_prints_real_times_and_counts_of_the_verdicts(done):
    _, out = done
    assert 0 < float(re.search(r"first verdict after ([\d.]+) s", out)[1]) < TIMEOUT_S
    rows = [line for line in out.splitlines() if line.startswith("image-") and "the other half" not in line]
    found, missed = (sum(f"  {outcome} " in line for line in rows) for outcome in ("found", "missed"))
    assert f"{found} of {found + missed} copies were found" in out
    assert (missed > 0) == ("it is missed if few of them are left" in out)
    assert "False alarms among" in out


def test_the_demo_finds_edits_that_a_perceptual_hash_misses(done):
    _, out = done
    found, by_hash = map(
        int, re.search(r"^(\d+) of \d+ copies were found; PDQ.* finds (\d+) ", out, re.MULTILINE).groups()
    )
    assert found > by_hash > 0
    always = re.search(r"^Always found: (.*)\.$", out, re.MULTILINE)[1].split(", ")
    assert {"mirrored", "quarter turn", "caption", "in a picture", "screenshot", "sticker"} <= set(always)


def test_a_set_that_changes_during_the_demo_changes_the_verdict_and_its_version(done):
    _, out = done
    rows = [line for line in out.splitlines() if line.startswith("image-")]
    before, after = (
        [line for line in rows if re.match(f"image-00({these}) ", line)] for these in ("01|02|03", "48|49|50")
    )
    assert all(" allow " in line and "not known yet" in line for line in before)
    assert all(" block " in line and "horse" in line and "sample_known v3" in line for line in after)
    assert float(re.search(r"in force ([\d.]+) s after the change", out)[1]) > 0


def test_every_kind_of_outcome_is_shown_and_none_is_unexpected(done):
    _, out = done
    rows = [line for line in out.splitlines() if line.startswith("image-")]
    for outcome in ("found", "not known yet", "cleared", "named", "let through", "turned away"):
        assert any(f"  {outcome} " in line for line in rows), outcome
    assert [line for line in rows if " unexpected " in line or " false alarm " in line] == []


def test_the_report_is_in_the_folder_and_shows_each_event(done):
    folder, out = done
    page = (folder / "report.html").read_text()
    assert page.count('<article class="card"') == 50
    rows = [line for line in out.splitlines() if line.startswith("image-")]
    checked = [line for line in rows if "sample_relatives" not in line]  # a network does not say where
    matched = sum(f"  {outcome} " in line for line in checked for outcome in ("found", "cleared", "named"))
    drawn = Page(page)
    assert len(drawn.of("polygon", "region")) == len(drawn.of("path", "pairs")) == matched
    assert all(joins(path) for path in drawn.of("path", "pairs"))
    assert str(folder / "report.html") in out
    assert sorted(path.name for path in folder.iterdir()) == ["report.html", "run"]


@pytest.mark.usefixtures("done")
def test_on_brokers_that_the_demo_did_not_start_its_topics_are_removed_at_the_end(kafka_cluster):
    admin = KafkaAdminClient(bootstrap_servers=kafka_cluster.bootstrap)
    try:
        assert [name for name in admin.list_topics() if name.startswith("vigilens-demo-")] == []
    finally:
        admin.close()


def test_settings_in_the_environment_do_not_affect_the_demo(done):
    folder, _ = done
    assert "another-group" not in (folder / "run" / "service.log").read_text()


@pytest.mark.usefixtures("kafka_cluster")  # it has fetched Kafka; this demo starts its own broker
def test_ctrl_c_stops_broker_milvus_and_service_and_says_so(tmp_path):
    process = start(tmp_path, KAFKA_BOOTSTRAP_SERVERS="")
    with process:
        for line in process.stdout:
            if line.startswith("image-0002"):
                break
        children = psutil.Process(process.pid).children(recursive=True)
        assert {"java", "sh"} <= {child.name() for child in children}
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    _, alive = psutil.wait_procs(children, timeout=10)
    assert alive == []
    stopped = [json.loads(line)["message"] for line in (tmp_path / "run" / "service.log").read_text().splitlines()]
    assert stopped[-1] == "stopped"


def test_a_service_that_ends_is_an_error_with_its_log_and_its_last_lines(tmp_path):
    file = tmp_path / "vigilens.toml"
    write_settings(file, {"kafka": {"no_such_key": "value"}})
    started = time.monotonic()
    with (
        Leash() as leash,
        pytest.raises(ProgramFailed, match=r"ended with code 1; its log .*service\.log ends with\n(?s:.*)no_such_key"),
        service(tmp_path, file, leash) as running,
    ):
        running.wait_until_ready()
    assert time.monotonic() - started < 60


def test_a_folder_that_the_demo_did_not_write_is_not_changed(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "letter.txt").write_text("precious")
    outcome = CliRunner().invoke(main, ["demo", "--folder", str(tmp_path)])
    assert outcome.exit_code == 1
    assert "was not written by the demo" in outcome.output
    assert (tmp_path / "run" / "letter.txt").read_text() == "precious"


def test_too_few_pictures_to_show_anything_are_refused():
    outcome = CliRunner().invoke(main, ["demo", "--pictures", "10"])
    assert outcome.exit_code == 2
    assert "50" in outcome.output
