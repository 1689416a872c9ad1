"""`vigilens milvus` as an operator uses it."""

import signal
import subprocess
import sys
from pathlib import Path

from harness.ports import free_ports
from reference_sets.store import Store


def test_vigilens_milvus_serves_until_a_signal_comes(tmp_path: Path):
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "vigilens.cli", "milvus", "--data", str(tmp_path / "sets.db"), "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline().strip() == f"http://127.0.0.1:{port}"
            with Store(f"http://127.0.0.1:{port}") as store:
                assert store.sets() == ()
            second = subprocess.run(command, capture_output=True, text=True, check=False)
            assert (second.returncode, second.stdout) == (1, "")
            assert "cannot be listened on" in second.stderr
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
