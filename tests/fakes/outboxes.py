"""An outbox beside a world whose link falls and returns, without an agent: what the decisions alone make of it."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from connmon_agent.core.notice_decisions import decide_notices, has_news
from connmon_agent.core.notices import (
    Notice,
    NoticeState,
    SendAnswer,
    SendResult,
    begin_attempt,
    end_attempt,
    expire,
    find_staleness,
    may_send,
)
from connmon_agent.core.timestamps import Timestamp
from connmon_agent.core.world import Link, LinkState, Outage, Service, ServiceState, World

SENT = SendAnswer(SendResult.SENT)


class Outbox:
    """Every step is decided on; ``wait`` sends what is due, second by second."""

    def __init__(self, services: int = 3, **channels: bool) -> None:
        names = [f"service-{number}" for number in range(services)]
        self.world = World(
            store="k7",
            link=Link(LinkState.ONLINE),
            services={name: Service(name, ServiceState.READY) for name in names},
        )
        self.channels = channels
        self.rows: dict[int, Notice] = {}
        self.sent: list[tuple[float, Notice]] = []
        self.now = 0.0
        self.seq = 0
        self.opened: dict[int, int] = {}
        self.answers: dict[str, SendAnswer] = {}  # by channel, at every attempt; none: it is sent

    @property
    def at(self) -> Timestamp:
        return Timestamp(self.now, 1_790_000_000.0 + self.now)

    def step(self, world: World) -> None:
        """One event that makes ``world`` of the one before."""
        before, self.world, self.seq = self.world, world, self.seq + 1
        if world.outage is not None:
            self.opened.setdefault(world.outage.id, self.seq)
        if has_news(before, world):
            self._decide(before)
        else:
            rows = dict(self.rows)
            self._decide(before)
            assert self.rows == rows, "a step without news must make no notice"

    def _decide(self, before: World) -> None:
        known: Mapping[int, Notice] = self.rows
        made = decide_notices(
            before,
            self.world,
            at=self.at,
            seq=self.seq,
            opened=self.opened.__getitem__,
            channels=self.channels,
            known=known.values(),
        )
        self.rows |= {notice.number: notice for notice in made}

    def wait(self, seconds: float = 1.0) -> None:
        """Let time pass; what is due is sent."""
        ends = self.now + seconds
        while self.now < ends:
            for notice in [one for one in self.rows.values() if one.unsent]:
                self._try(notice)
            later = [one.due.steady for one in self.rows.values() if one.unsent and one.due.steady > self.now]
            self.now = min([ends, *later])

    def _try(self, notice: Notice) -> None:
        works_offline = self.channels[notice.channel]
        why = find_staleness(notice, self.world, self.at, works_offline=works_offline)
        if why is not None:
            self.rows[notice.number] = expire(notice, why, self.at)
        elif notice.due.steady <= self.now and may_send(notice, self.world, works_offline=works_offline):
            begun = begin_attempt(notice, self.at)
            ended = end_attempt(begun, self.answers.get(notice.channel, SENT), self.at)
            self.rows[notice.number] = ended
            if ended.state == NoticeState.SENT:
                self.sent.append((self.now, ended))

    def kinds(self, channel: str) -> list[str]:
        """What was sent on it, in its order."""
        return [str(notice.kind) for _, notice in self.sent if notice.channel == channel]

    # What happens to the link and the services.

    def fall(self, **changes: object) -> None:
        """A new outage."""
        number = self.world.outages + 1
        outage = Outage(number, self.at, "unreachable")
        self.step(
            replace(
                self.world,
                link=Link(LinkState.OFFLINE),
                outages=number,
                outage=replace(outage, **changes),  # type: ignore[arg-type]  # names are tested
            )
        )

    def come_back(self) -> None:
        self._turn(LinkState.RECOVERING, back=self.at)

    def relapse(self) -> None:
        assert self.world.outage is not None
        self._turn(LinkState.OFFLINE, back=None, relapses=self.world.outage.relapses + 1)

    def settle(self) -> None:
        """The outage is over."""
        self._turn(LinkState.ONLINE, ended=self.at)

    def give_up(self, *names: str) -> None:
        lost = {name: Service(name, ServiceState.GAVE_UP, self.at, "no attempts left") for name in names}
        self.step(replace(self.world, services={**self.world.services, **lost}))

    def order(self) -> None:
        """A recovery that an operator asked for."""
        number = self.world.outages + 1
        outage = Outage(number, self.at, "ordered", by_operator=True, back=self.at)
        self.step(replace(self.world, link=Link(LinkState.RECOVERING), outages=number, outage=outage))

    def _turn(self, state: LinkState, **changes: object) -> None:
        assert self.world.outage is not None
        outage = replace(self.world.outage, **changes)  # type: ignore[arg-type]  # names are tested
        self.step(replace(self.world, link=Link(state), outage=outage))

    def live_through(self, dark: float = 30.0, hold: float = 12.0) -> None:
        """One outage."""
        self.fall()
        self.wait(dark)
        self.come_back()
        self.wait(hold)
        self.settle()
