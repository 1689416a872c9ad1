"""The service in a thread of the test's process, on a real broker, with a judge that knows nothing."""

import threading
from contextlib import contextmanager
from dataclasses import replace

from fake_runs import NOTHING_KNOWN, allow_images
from running_service import PATIENCE_S
from service_fixtures import settings

from config.load import load
from consumer.metrics import Metrics
from consumer.service import run
from vigilens.commands.run import plan


class Judge:
    """Allows every image."""

    def judge(self, images):
        return allow_images(images)

    def idle(self):
        return True

    def sets(self):
        return NOTHING_KNOWN

    def close(self):
        """Nothing to do."""


def plan_for(monkeypatch, cluster, topics, **more):
    """The plan of a service with these topics and settings, in any free port."""
    for name, value in settings(cluster, topics, "nowhere.db", **more).items():
        monkeypatch.setenv(name, value)
    return replace(plan(load()), http_port=0)


@contextmanager
def serving(made):
    """Run the service with this plan until the end of the block."""
    stopping = threading.Event()
    thread = threading.Thread(target=run, args=(made, lambda _patience: Judge(), Metrics(), stopping))
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join(PATIENCE_S)
