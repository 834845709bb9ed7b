"""The demo at the pace of a test, whose state goes to the folder that is the only argument: for a page that watches."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from connmon_agent.cli.demo import DemoTiming, demo, run_demo

# Each state lasts until a page that has just been opened, or that the machine holds up, has shown it.
PACE = DemoTiming(
    check_interval=0.2, confirm_interval=0.1, calm=4.0, dark=2.0, relapse=0.0, hold=3.0, pod_start=0.2, patience=1,
    ready_timeout=120.0, backoff=0.1, refuse=True,
)  # fmt: skip

if __name__ == "__main__":
    with click.Context(demo) as ctx:
        run_demo(ctx, Path(sys.argv[1]), PACE)
