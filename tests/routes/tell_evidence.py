"""Run in a network namespace of its own: prints the evidence as JSON lines, at once and after every change.

It looks only when netlink tells it to.
"""

from __future__ import annotations

import asyncio
import json
import sys

from msgspec import structs

from connmon_agent.routes.kernel import has_route
from connmon_agent.routes.netlink import NetlinkWatch, open_socket
from connmon_agent.routes.views import SystemView

NEVER = 86_400.0  # seconds


async def tell() -> None:
    watch = NetlinkWatch(open_socket(), SystemView().read, recheck=NEVER)
    told = None
    while True:
        if (seen := {**structs.asdict(watch.read()), "way": has_route()}) != told:
            told = seen
            print(json.dumps(seen), flush=True)
        await watch.changed()


if __name__ == "__main__":
    try:
        asyncio.run(tell())
    except KeyboardInterrupt:
        sys.exit(0)
