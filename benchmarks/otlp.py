"""What OpenTelemetry costs: images per second and processor time per image, without it, with it, with nobody there.

    python -m benchmarks.otlp [--images 1500] [--rounds 3]

The default encoder judges the same JPEGs through Kafka in each way in turn. The last line is JSON with the medians of
the rounds' ratios to the way without OpenTelemetry.
"""

import argparse
import json
import statistics
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from pathlib import Path

from benchmarks.jpegs import endless, jpegs
from benchmarks.machine import sentence
from benchmarks.service import DISTINCT, Measured, through_kafka
from benchmarks.stream import NETWORK, WORDS, Stream, stream
from harness.ports import free_ports


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=int, default=1_500, help="per round (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of all ways (%(default)s)")
    options = parser.parse_args()
    print(sentence(), flush=True)

    def begin(_: Stream) -> nullcontext[None]:
        return nullcontext()

    with tempfile.TemporaryDirectory() as folder, stream(Path(folder), NETWORK, begin) as (here, _):
        here.judge(WORDS)[0].close()  # makes the set
        here.fill(list(islice(endless(jpegs(DISTINCT, 640, 480)), options.images)))
        with collector() as (address, requests):
            ways = {"off": "", "on": address, "away": f"http://127.0.0.1:{free_ports(1)[0]}"}
            found = {way: Measured() for way in ways}
            for turn in range(options.rounds):
                for way, endpoint in ways.items():
                    settings = here.settings(WORDS, f"{way}-{turn}", {"otlp": {"endpoint": endpoint}})
                    found[way].kafka.append(through_kafka(here, settings, options.images, found[way]))
                    print(f"{way}: {found[way].kafka[-1]:.1f}/s, {found[way].service_ms[-1]:.2f} ms", flush=True)
    print(json.dumps({"requests": len(requests), **{way: ratios(found[way], found["off"]) for way in ways}}))


def ratios(these: Measured, off: Measured) -> dict[str, float]:
    """The medians of the ratios to the way without it."""

    def ratio(ours: list[float], theirs: list[float]) -> float:
        return round(statistics.median(a / b for a, b in zip(ours, theirs, strict=True)), 3)

    return {"images_per_s": ratio(these.kafka, off.kafka), "cpu_per_image": ratio(these.service_ms, off.service_ms)}


@contextmanager
def collector() -> Iterator[tuple[str, list[str]]]:
    """Something that takes all requests; yields its address, and the paths that were asked for."""
    paths: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            paths.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", paths
    finally:
        server.shutdown()
        server.server_close()


if __name__ == "__main__":
    main()
