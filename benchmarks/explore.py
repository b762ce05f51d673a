"""How long `ganzoo explore` makes a slider wait: pictures asked of its server over the loopback, one after another.

OMP_NUM_THREADS=1 python -m benchmarks.explore RUN... [-n 200]
"""

from __future__ import annotations

import argparse
import statistics
import threading
import time
from http.client import HTTPConnection
from urllib.parse import urlsplit

from ganzoo_core.sampling.generator_file import load
from ganzoo_tools.exploration.latents import Explorer
from ganzoo_tools.exploration.server import ExploreServer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", metavar="RUN")
    parser.add_argument("-n", type=int, default=200, help="pictures a run")
    options = parser.parse_args()
    print(f"{'run':<40}  {'directions':>10}  {'median':>8}  {'95 %':>8}  {'slowest':>8}")
    for run in options.runs:
        started_s = time.perf_counter()
        explorer = Explorer(load(run, "cpu"))
        ready_s = time.perf_counter() - started_s
        waits_ms = sorted(waits(explorer, options.n))
        middle, late = statistics.median(waits_ms), waits_ms[int(0.95 * len(waits_ms))]
        print(f"{run[-40:]:<40}  {ready_s:8.1f} s  {middle:5.1f} ms  {late:5.1f} ms  {waits_ms[-1]:5.1f} ms")


def waits(explorer: Explorer, n: int) -> list[float]:
    """The milliseconds from each request to the last byte of its answer, the first one left out."""
    found = []
    with ExploreServer(explorer) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        connection = HTTPConnection(urlsplit(server.url).netloc)
        for k in range(n + 1):
            started_s = time.perf_counter()
            connection.request("GET", f"{urlsplit(server.url).path}picture.png?moves={4 * k / n - 2:.2f}")
            answer = connection.getresponse()
            assert answer.status == 200, answer.read()
            answer.read()
            found.append((time.perf_counter() - started_s) * 1000)
        connection.close()
        server.shutdown()
    return found[1:]


if __name__ == "__main__":
    main()
