"""Who sends notices in tests: what got out, when, and every way in which an attempt can end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from connmon_agent.core.notices import Notice, SendAnswer, SendResult

LIMIT = 60.0  # seconds of one attempt
SENDING = 0.4  # seconds that an attempt takes: half of them until the message is out, half until that is known

Name = tuple[int, str, str, int]  # outage, channel, kind, part


def name_of(notice: Notice) -> Name:
    return notice.outage, notice.channel, notice.kind, notice.part


@dataclass
class FakeMessenger:
    """The port Messenger. ``up`` says whether the internet can be reached; ``answers`` are taken one an attempt."""

    channels: dict[str, bool] = field(default_factory=dict)
    up: Callable[[], bool] = lambda: True
    answers: dict[str, list[SendAnswer]] = field(default_factory=dict)  # by channel; none: it is sent
    hangs: set[str] = field(default_factory=set)  # channels on which an attempt never ends
    attempts: list[tuple[float, Notice]] = field(default_factory=list)  # with the loop's time
    arrived: list[tuple[float, Notice]] = field(default_factory=list)
    unheard: int = 0  # messages that arrived while nobody lived to hear of it
    dead: bool = False

    async def send(self, notice: Notice) -> SendAnswer:
        if self.dead:
            await asyncio.Event().wait()
        now = asyncio.get_running_loop().time
        self.attempts.append((now(), notice))
        if notice.channel in self.hangs:
            return await self._wait_in_vain(notice)
        await asyncio.sleep(SENDING / 2)
        if self.dead:
            await asyncio.Event().wait()
        if not self.channels.get(notice.channel, False) and not self.up():
            return SendAnswer(SendResult.FAILED, "the network is unreachable")
        if answers := self.answers.get(notice.channel):
            return answers.pop(0)
        self.arrived.append((now(), notice))
        try:
            await asyncio.sleep(SENDING / 2)
            if self.dead:
                await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.unheard += 1
            raise
        return SendAnswer(SendResult.SENT)

    async def _wait_in_vain(self, notice: Notice) -> SendAnswer:
        """The child is killed after its time."""
        await asyncio.sleep(LIMIT)
        return SendAnswer(SendResult.FAILED, f"no result within {LIMIT:g} s")

    def names(self, channel: str) -> list[Name]:
        """What arrived on one channel, in its order."""
        return [name_of(notice) for _, notice in self.arrived if notice.channel == channel]
