"""Scrapes prometheus-blackbox-exporter, run as a command beside it: ``python scrapes.py EXPORTER INTERVAL URL...``.

Every interval all of the URL's queries are scraped at once; a line of ``1`` and ``0`` a round says which succeeded.
"""

from __future__ import annotations

import sys
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor

HEADERS = {"X-Prometheus-Scrape-Timeout-Seconds": "1"}  # the agent's timeout
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def scrape(url: str) -> bool:
    """Whether the exporter says that the probe succeeded."""
    try:
        with _OPENER.open(urllib.request.Request(url, headers=HEADERS), timeout=5) as answer:
            return b"\nprobe_success 1" in answer.read()
    except OSError:
        return False


def main(exporter: str, interval: float, queries: list[str]) -> None:
    """Scrape until the process is ended, on time however long a round takes."""
    urls = [f"{exporter}/probe?{query}" for query in queries]
    with ThreadPoolExecutor(len(urls)) as pool:
        due = time.monotonic()
        while True:
            print("".join("1" if good else "0" for good in pool.map(scrape, urls)), flush=True)
            due = max(due + interval, time.monotonic())
            time.sleep(due - time.monotonic())


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), sys.argv[3:])
