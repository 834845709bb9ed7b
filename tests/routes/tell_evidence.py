"""Run in a network namespace of its own: prints the evidence as JSON lines, at once and after every change."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import sys

from connmon_agent.routes import open_link_watch
from connmon_agent.routes.kernel import finds_way
from connmon_agent.routes.netlink import NetlinkWatch


async def tell() -> None:
    watch = open_link_watch()
    assert isinstance(watch, NetlinkWatch)
    evidence = None
    while True:
        if (seen := watch.read()) != evidence:
            evidence = seen
            print(json.dumps({**dataclasses.asdict(seen), "way": finds_way()}), flush=True)
        await watch.changed()


if __name__ == "__main__":
    try:
        asyncio.run(tell())
    except KeyboardInterrupt:
        sys.exit(0)
