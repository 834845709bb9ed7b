"""A real Prometheus beside the tests: Debian's, named by CONNMON_TEST_PROMETHEUS, the folder of its two programs."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PATIENCE = 300.0  # seconds; for what takes one, unless the machine stands still
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def program(name: str) -> str:
    """``promtool`` or ``prometheus``."""
    return str(Path(os.environ["CONNMON_TEST_PROMETHEUS"]) / name)


def promtool(*arguments: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
    """What it said and how it ended."""
    return subprocess.run(
        [program("promtool"), *arguments], input=given, capture_output=True, text=True, check=False, timeout=PATIENCE
    )


class Prometheus:
    """One that runs."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}"

    def ready(self) -> bool:
        try:
            with OPENER.open(f"{self._url}/-/ready", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def query(self, expression: str, *, at: float | None = None) -> list[dict[str, Any]]:
        """The series that an expression gives now, or ``at`` a time (Unix seconds). Raises OSError: it is refused."""
        return self._ask("query", query=expression, **({} if at is None else {"time": f"{at:.3f}"}))

    def query_range(self, expression: str, *, start: float, end: float, step: float) -> list[dict[str, Any]]:
        """The series of a stretch of time."""
        return self._ask("query_range", query=expression, start=f"{start:.3f}", end=f"{end:.3f}", step=f"{step:g}")

    def _ask(self, what: str, **parameters: str) -> list[dict[str, Any]]:
        with OPENER.open(f"{self._url}/api/v1/{what}?{urllib.parse.urlencode(parameters)}", timeout=PATIENCE) as answer:
            found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
            return found


def until(condition: Callable[[], object], what: str) -> None:
    """Wait until ``condition`` holds."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"no {what} within {PATIENCE:g} s"
        time.sleep(0.05)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def running(folder: Path, config: str, data: Path) -> Iterator[Prometheus]:
    """A Prometheus with ``config`` on the blocks in ``data``, until the block is left."""
    (file := folder / "prometheus.yml").write_text(config, encoding="utf-8")
    port = free_port()
    command = [
        program("prometheus"),
        f"--config.file={file}",
        f"--storage.tsdb.path={data}",
        "--storage.tsdb.retention.time=20y",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=warn",
    ]
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        server = Prometheus(port)
        until(server.ready, "Prometheus")
        yield server
    finally:
        process.terminate()
        process.wait()
