"""The end of a listening server: asyncio loses a connection whose server closes while it is being accepted."""

from __future__ import annotations

import asyncio

# So many turns of the loop a connection takes from being accepted to being known.
TURNS_TO_ACCEPT = 5


async def accept_no_more(server: asyncio.Server) -> None:
    """Accept nobody any more, and return when those that were being accepted are known to the server's protocol.

    The server itself is to be closed then.
    """
    loop = asyncio.get_running_loop()
    for listening in server.sockets:
        try:
            loop.remove_reader(listening.fileno())
        except NotImplementedError:  # Windows' loop watches no sockets; what it does to stop has no public name
            getattr(loop, "_stop_serving", lambda sock: None)(getattr(listening, "_sock", listening))
    for _ in range(TURNS_TO_ACCEPT):
        await asyncio.sleep(0)
