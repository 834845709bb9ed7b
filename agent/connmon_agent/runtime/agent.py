"""The agent: takes events one at a time, makes each decision durable, and only then acts on it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial

from msgspec import structs

from .. import __version__
from ..core.bounds import bound_words
from ..core.effects import Listen, Restart
from ..core.engine import Engine
from ..core.events import (
    AgentStarted,
    AgentStopped,
    Configured,
    Event,
    EvidenceChanged,
    Inspected,
    ListenAnswered,
    MeteredSeen,
    MonitoringGapEnded,
    Order,
    Ordered,
    Outcome,
    RestartAnswered,
    RoundFinished,
    TimerDue,
)
from ..core.link.round_counts import collect_counts, only_counts, with_counts
from ..core.observations import InternalErrors, ProbeResult, Traffic
from ..core.plan import Plan
from ..core.ports.port_demands import services_held
from ..core.steps import Step
from ..core.timestamps import Timestamp
from ..core.world import Link, World
from ..errors import ConnmonError, InvariantError, StoreError
from ..platform_terms import SYSTEM_LOG
from ..ports import Cluster, Forwards, Prober
from ..settings import STOP_TIMEOUT
from ..supervision import Tasks, cancel, hear_threads, report, supervise
from .announcing import Announcements
from .deliveries import Deliveries
from .dependencies import Dependencies, Listener, Lookout
from .gap_watch import Vigil, was_not_watching
from .incidents import Incidents
from .lane import Lane
from .line_usage import LineUsageMeter
from .log_records import LogRecord, tell_damage
from .quality_meter import QualityMeter
from .telling import Teller

# Seconds until the first and the further attempts to open the state file again after a commit failed.
REOPEN_INTERVAL, LONGEST_REOPEN_INTERVAL = 5.0, 30.0
# Seconds of one commit after which people are told.
SLOW_DISK = 10.0
# What was found out before a monitoring gap, or under another configuration, and is looked at again after it.
OVERTAKEN = (RoundFinished, Inspected, TimerDue)
# What nothing would bring a second time: it is kept until it can be recorded.
WATCHED = (RoundFinished, EvidenceChanged, MeteredSeen, MonitoringGapEnded)
# Of it, kept in memory while nothing can be recorded; only what changes something counts.
MOST_UNRECORDED = 10_000


class Agent:
    """Observers -> event -> step -> commit -> effects. One instance runs once.

    Events are decided on one at a time, in the order in which they came. The world is what is durable, and what rounds
    have counted since: while the disk takes its time, what is seen waits for its turn, and everything else on the loop
    goes on.
    """

    def __init__(
        self, *, engine: Engine, plan: Plan, dependencies: Dependencies, stop_timeout: float = STOP_TIMEOUT
    ) -> None:
        self._stop_timeout = stop_timeout
        self._engine = engine
        self._plan = plan
        self._out = dependencies
        self._teller = Teller()
        self._clock = dependencies.clock
        self._trouble: StoreError | None = None  # why nothing can be recorded now; None: everything is
        self._regaining = False
        self._unrecorded: list[Event] = []  # what the link did while nothing could be recorded, in order
        self._doubted: World | None = None  # made by the first of them, whose commit failed; None: none was tried
        self._ending = asyncio.Event()
        self._end_reason = "ended"
        self._tasks: Tasks = set()
        self._lane = Lane()
        self._turn = 0  # how often another configuration was taken over
        self._stop_by: float | None = None  # the loop's time at which everything must have ended; None: it is to go on
        self.world = dependencies.journal.load()
        # As the state file has it, or will have once what waits can be recorded; None: a commit's outcome is unknown.
        self._recorded: Link | None = self.world.link
        self.last_round: Timestamp | None = None  # when the newest one of this agent ended; None: none has
        self.internal_errors = 0  # since its start
        self._vigil = Vigil(self._clock)
        self._announcements = Announcements(
            dependencies.announcer, self._lane, self._clock, look=dependencies.journal.last_sign_of_life
        )
        self._deliveries = self._open_deliveries()
        self._quality = QualityMeter(world=self._get_world, take=self.take)
        self._usage = LineUsageMeter()
        self._lookout = Lookout(
            dependencies,
            Listener(
                world=self._get_world,
                take=self.take,
                note_round=self._note_round,
                note_traffic=self._note_traffic,
                screen=self._quality.screen,
                wake=self._wake,
                rest=self._vigil.rest,
            ),
        )

    async def run(self) -> None:
        """Watch and act until ``end`` is called."""
        with self._noting_errors():
            recording: Tasks = set()
            supervise("decide and record", self._lane.run, tasks=recording)
            try:
                await self._lane.do(self._start)
                self._lookout.start(self._tasks)
                if self._deliveries is not None:
                    supervise("send notices", self._deliveries.run, tasks=self._tasks)
                supervise("give signs of life", self._announcements.run, tasks=self._tasks)
                await self._ending.wait()
            finally:
                await self._finish()
                await cancel(recording)

    def end(self, reason: str) -> None:
        """Ask the agent to end in order. It does so within ``stop_timeout``, whatever hangs: see ``time_left``."""
        if self._stop_by is None:
            self._end_reason = reason
            self._stop_by = asyncio.get_running_loop().time() + self._stop_timeout
            self._announcements.end()
        self._ending.set()

    async def ready(self) -> None:
        """Return once the agent has been announced as ready."""
        await self._announcements.ready.wait()

    @property
    def time_left(self) -> float:
        """Seconds until everything must have ended, 0.1 at least."""
        now = asyncio.get_running_loop().time()
        return max(0.1, (self._stop_by or now + self._stop_timeout) - now)

    @property
    def trouble(self) -> StoreError | None:
        """Why nothing can be recorded now, and so nothing is restarted; None: everything is."""
        return self._trouble

    @property
    def deciding_since(self) -> float | None:
        """The loop's time at which the decision that is under way began; None: none is."""
        return self._lane.since

    @property
    def in_force(self) -> bool:
        """Whether the plan that was given last decides."""
        return self.world.plan == self._plan

    async def configure(
        self,
        plan: Plan,
        *,
        prober: Prober | None = None,
        cluster: Cluster | None = None,
        forwards: Forwards | None = None,
        stop_timeout: float | None = None,
    ) -> None:
        """Take over another plan; the prober, the cluster, the forwards and ``stop_timeout`` (seconds) are exchanged
        where new ones are given.

        A round that is under way belongs to the old configuration: it is dropped, and the next one is due at once.
        """
        await self._lane.do(partial(self._turn_to, plan, prober, cluster, forwards))
        self._stop_timeout = self._stop_timeout if stop_timeout is None else stop_timeout

    async def _turn_to(
        self, plan: Plan, prober: Prober | None, cluster: Cluster | None, forwards: Forwards | None
    ) -> None:
        self._plan = plan
        self._turn += 1
        self._lookout.rounds.forget()
        if prober is not None:
            close = self._lookout.rounds.prober.close
            supervise("close the probes of the configuration before", close, tasks=self._tasks, again=False)
        self._lookout.turn_to(prober=prober, cluster=cluster, forwards=forwards)
        self._out = replace(self._out, cluster=cluster or self._out.cluster, forwards=forwards or self._out.forwards)
        if prober is not None:
            self._quality.forget()
        await self._decide(self._configured())

    async def obey(
        self, order: Order, services: tuple[str, ...], by: str, *, lapsed: Callable[[], bool] = lambda: False
    ) -> str | None:
        """Carry an operator's order out. It is durable on return; returns why it was refused (None: it was not).

        ``lapsed`` is asked when its turn has come: whoever gave it may have stopped waiting. Raises StoreError when it
        cannot be recorded, and any other ConnmonError when it was not carried out.
        """
        self._wake()
        return await self._lane.do(partial(self._carry_out, order, services, by, lapsed))

    async def _carry_out(
        self, order: Order, services: tuple[str, ...], by: str, lapsed: Callable[[], bool]
    ) -> str | None:
        if lapsed():
            raise ConnmonError("the order expired before the agent accepted it")
        if self._trouble is not None:
            raise self._trouble
        ordered = Ordered(self._clock.now(), order, services, by)
        try:
            return (await self._settle(ordered)).refusal
        except StoreError:
            raise
        except Exception as error:
            self._pass_over(ordered, error)
            raise InvariantError(f"internal error, {order} was not carried out: {error!r}") from error

    def take(self, event: Event) -> None:
        """Decide on one event in its turn. Nothing is done before the decision is durable, and its words are cut where
        too long.

        Where nobody watched since the last one, that comes first, and what was found out before is looked at again.
        """
        if self._wake():
            if isinstance(event, OVERTAKEN):
                return
            event = structs.replace(event, at=self._clock.now())
        self._lane.post(partial(self._decide_by, self._turn, event))

    async def _decide_by(self, turn: int, event: Event) -> None:
        """Decide on it, unless it was found out under another configuration and had to wait for its turn since."""
        if turn == self._turn or not isinstance(event, OVERTAKEN):
            await self._decide(event)

    def _wake(self) -> bool:
        """Notice a time in which nobody watched; whether there was one."""
        events = self._vigil.wake()
        if monitoring_gap := was_not_watching(events):
            self._lookout.rounds.forget()
            self._lane.post(self._forget_quality)
        for event in events:
            self._lane.post(partial(self._decide, event))
        return monitoring_gap

    async def _forget_quality(self) -> None:
        self._quality.forget()

    async def _decide(self, event: Event) -> None:
        """Decide on one event now. What our own parts disagree about is passed over, and the agent watches on."""
        try:
            await self._settle(event)
        except StoreError:
            return  # it was told, and the file is opened again
        except Exception as error:
            self._pass_over(event, error)

    async def _settle(self, event: Event) -> Step:
        """Decide on one event, make it durable, and act on it.

        Raises StoreError where that is not known to be durable, and any other error where nothing has changed.
        """
        if isinstance(event, TimerDue) and not self._is_due(event):
            return Step(self.world)
        event = bound_words(event)
        step = self._engine.step(self.world, event)
        if not step.changes(self.world):
            return step
        if isinstance(event, RoundFinished) and only_counts(self.world, step):
            self._go_on(event, step)
            return step
        event = with_counts(event, self._recorded, self.world.link)
        if self._trouble is not None:
            self._go_on_without_watching(event, step)
            return step
        try:
            seq = await self._commit(event, step)
        except StoreError as error:
            self._lose_memory(error)
            self._doubted = step.world if isinstance(event, WATCHED) else None
            self._recorded = None
            self._go_on_without_watching(event, step)
            raise
        self._act_on(event, step, seq)
        return step

    def _is_due(self, event: TimerDue) -> bool:
        """Not where the deadline has been moved while this waited for its turn: a deadline may be told of twice."""
        due = self.world.timers.get(event.timer)
        return due is not None and due.steady <= event.at.steady

    def _act_on(self, event: Event, step: Step, seq: int) -> None:
        self._renew_suspects(step.world)
        self._recorded = step.world.link
        before, self.world = self.world, step.world
        for record in self._teller.tell(event, step, before, seq):
            self._out.say(record)
        self._perform(step)
        if step.world.forwards is not before.forwards:
            self._out.forwards.retain(services_held(step.world))
            self._out.publish(step.world)
        self._announce()
        self._nudge()

    def _go_on(self, event: Event, step: Step) -> None:
        """Take over what need not be durable, or cannot be."""
        before, self.world = self.world, step.world
        for record in self._teller.tell(event, step, before):
            self._out.say(record)
        self._announce()
        self._nudge()

    # The state file.

    async def _commit(self, event: Event, step: Step) -> int:
        """The event's number. Raises StoreError, or InvariantError: nothing was written and the journal is in order."""
        slow = asyncio.get_running_loop().call_later(SLOW_DISK, self._tell_slow_disk)
        try:
            return await self._out.journal.commit(event, step)
        finally:
            slow.cancel()

    def _tell_slow_disk(self) -> None:
        self._say(
            "error",
            f"the disk of the state file has not answered for {SLOW_DISK:g} s; no decisions until it does. Check "
            f"the disk and {SYSTEM_LOG}",
        )

    def _pass_over(self, event: Event, error: Exception) -> None:
        """Nothing is decided on an event that our own parts disagree about."""
        report(f"decide on {type(event).__name__}", error)

    def _lose_memory(self, error: StoreError) -> None:
        """A failed commit may or may not be durable: act on nothing until the state file has been read again."""
        if self._trouble is None and not self._regaining:
            self._say("error", f"the state file cannot be written, so nothing is restarted: {error}")
        self._trouble = error
        self._announce()
        if not self._regaining and not self._ending.is_set():
            self._regaining = True
            supervise("open the state file again", self._regain_memory, tasks=self._tasks)

    async def _regain_memory(self) -> None:
        pause = REOPEN_INTERVAL
        while self._trouble is not None:
            await self._clock.sleep(pause)
            self._wake()
            await self._lane.do(self._try_again)
            pause = min(2 * pause, LONGEST_REOPEN_INTERVAL)
        self._regaining = False
        self._say("info", "the state file is writable again")
        self._announce()
        self._nudge()

    async def _try_again(self) -> None:
        try:
            await self._catch_up()
        except StoreError as error:
            self._trouble = error
        else:
            await self._begin(None)  # whatever was on its way is of unknown outcome now

    async def _catch_up(self) -> None:
        """Record what the link did meanwhile: an outage must not be forgotten because the disk was full.

        Raises StoreError: the disk still fails. What the state file does not hold is kept.
        """
        world = await self._out.journal.reopen()
        if self._doubted is not None and world == self._doubted:  # the commit that failed was durable
            del self._unrecorded[0]
        self._doubted = None
        while self._unrecorded:
            world = await self._record(world, self._unrecorded[0])
            del self._unrecorded[0]
            self._doubted = None
        self.world, self._recorded, self._trouble = world, world.link, None

    async def _record(self, world: World, event: Event) -> World:
        """The world that ``event`` makes of ``world``, which the state file holds. People were told at the time."""
        try:
            step = self._engine.step(world, event)
            if step.changes(world):
                self._doubted = step.world
                await self._out.journal.commit(event, step)
        except StoreError:
            raise
        except Exception as error:  # a mistake of ours, as in `_decide`
            self._pass_over(event, error)
            return world
        return step.world

    def _go_on_without_watching(self, event: Event, step: Step) -> None:
        """Go on watching the link and telling of it; the cluster is left alone."""
        if isinstance(event, WATCHED):
            if len(self._unrecorded) < MOST_UNRECORDED:
                self._unrecorded.append(event)
                self._recorded = step.world.link  # once that event is
            self._go_on(event, step)

    def _renew_suspects(self, world: World) -> None:
        """A kind of probe that has become suspect begins anew: the fault may lie in what it has kept."""
        suspects = set(world.link.suspects) - set(self.world.link.suspects)
        if suspects:
            self._lookout.rounds.prober.renew(suspects)

    def _note_round(self, at: Timestamp, results: tuple[ProbeResult, ...], known: tuple[ProbeResult, ...]) -> None:
        self._lane.post(partial(self._see_round, at, bound_words(results), bound_words(known)))

    async def _see_round(self, at: Timestamp, results: tuple[ProbeResult, ...], known: tuple[ProbeResult, ...]) -> None:
        self.last_round = at
        measured_quality, usage = self._quality.see(at, results), self._usage.see(at, results)
        counts = collect_counts(self._recorded, self.world.link)
        await self._note(lambda: self._out.journal.note_round(at, known, measured_quality, usage, results, counts))
        self._announcements.see_round(self.world, self._trouble)

    def _note_traffic(self, at: Timestamp, traffic: tuple[Traffic, ...]) -> None:
        self._lane.post(partial(self._note, lambda: self._out.journal.note_traffic(at, bound_words(traffic))))

    def _note_errors(self, errors: InternalErrors) -> None:
        self.internal_errors = errors.count
        self._lane.post(partial(self._write_errors, errors))

    async def _write_errors(self, errors: InternalErrors) -> None:
        with suppress(Exception):  # it has been logged, and to report that this failed would end in a circle
            await self._note(lambda: self._out.journal.note_errors(errors))

    async def _note(self, note: Callable[[], Awaitable[None]]) -> None:
        """Write down what decides nothing, where anything can be written."""
        if self._trouble is None:
            try:
                await note()
            except StoreError as error:
                self._lose_memory(error)

    # The effects.

    def _perform(self, step: Step) -> None:
        for effect in step.effects:
            work, lost = partial(self._restart, effect), partial(self._lose_restart, effect)
            supervise(f"restart {effect.service}", work, tasks=self._tasks, again=False, failed=lost)
        for order in step.listens:
            listen, lost = partial(self._listen, order), partial(self._lose_port, order)
            supervise(f"listen for {order.service}", listen, tasks=self._tasks, again=False, failed=lost)

    async def _restart(self, effect: Restart) -> None:
        answer = await self._out.cluster.restart(effect, self._clock.now())
        self.take(structs.replace(answer, at=self._clock.now()))  # dated when it came

    def _lose_restart(self, effect: Restart, error: BaseException) -> None:
        """A mistake of ours: the outcome is unknown, and the core knows what to do then."""
        reason = f"internal error while asking for the restart: {error!r}"
        now = self._clock.now()
        self.take(RestartAnswered(now, effect.service, effect.token, Outcome.UNKNOWN, reason, kind="internal"))

    async def _listen(self, order: Listen) -> None:
        answer = await self._out.forwards.listen(order, self._clock.now())
        self.take(structs.replace(answer, at=self._clock.now()))  # dated when it came

    def _lose_port(self, order: Listen, error: BaseException) -> None:
        """A mistake of ours: the port counts as taken, and the others are tried."""
        reason = f"cannot be used: internal error: {error!r}"
        self.take(ListenAnswered(self._clock.now(), order.service, order.token, reason))

    # Beginning and end.

    async def _start(self) -> None:
        await self._begin(await self._out.journal.last_sign_of_life())
        self._announcements.begin(self.world, self._trouble)

    async def _begin(self, heartbeat: Timestamp | None) -> None:
        """``heartbeat``: since when nobody watched; None: this agent did, or none ever ran."""
        damage = tell_damage(self._out.journal.damage, self._out.journal.set_aside)
        if damage is not None:
            self._say("error", damage)
        started = AgentStarted(
            self._clock.now(),
            os.getpid(),
            __version__,
            self._out.boot_id,
            self._engine.chart_hashes,
            heartbeat,
        )
        await self._decide(started)
        await self._decide(self._configured())

    def _configured(self) -> Configured:
        return Configured(self._clock.now(), self._plan, self._engine.chart_hashes)

    @contextmanager
    def _noting_errors(self) -> Iterator[None]:
        """Within, whatever fails unforeseen, on the loop or in a thread, is counted and logged."""
        loop = asyncio.get_running_loop()
        before = loop.get_exception_handler()
        loop.set_exception_handler(Incidents(now=self._clock.now, say=self._out.say, note=self._note_errors))
        try:
            with hear_threads(loop):
                yield
        finally:
            loop.set_exception_handler(before)

    async def _finish(self) -> None:
        """End everything, and leave behind what does not end in time: the state file is what a kill would leave."""
        self.end(self._end_reason)  # where it is not that which brought us here; nothing is begun any more
        self._lane.drop("the agent is stopping")
        await cancel(self._tasks, patience=self.time_left / 2)
        closing: Tasks = set()
        supervise("record the end", partial(self._lane.do, self._conclude), tasks=closing, again=False)
        out = self._out
        for part in (out.forwards, out.watch, self._lookout.rounds.prober, out.cluster, out.registries):
            if part is None:
                continue
            supervise(f"close the {type(part).__name__}", part.close, tasks=closing, again=False)
        _, left = await asyncio.wait(closing, timeout=0.9 * self.time_left)
        for task in left:
            task.cancel()
            self._say(
                "warning", f"abandoned after {self._stop_timeout:g} s, it did not stop in time: {task.get_name()}"
            )

    async def _conclude(self) -> None:
        if self._trouble is not None:
            with suppress(StoreError):  # a last try: the disk may have got room since
                await self._catch_up()
        if self._trouble is None:
            await self._decide(AgentStopped(self._clock.now(), self._end_reason))

    def _say(self, level: str, text: str) -> None:
        self._out.say(LogRecord(self._clock.now(), level, "agent", text))

    def _announce(self) -> None:
        self._announcements.follow(self.world, self._trouble)

    def _get_world(self) -> World:
        return self.world

    def _nudge(self) -> None:
        self._lookout.nudge()
        self.nudge_deliveries()

    def nudge_deliveries(self) -> None:
        """Tell that the outbox or the channels of notices were changed beside the decisions."""
        if self._deliveries is not None:
            self._deliveries.nudge()

    def _open_deliveries(self) -> Deliveries | None:
        out = self._out
        if out.messenger is None:
            return None
        return Deliveries(
            out.journal, out.messenger, clock=out.clock, world=self._get_world, say=out.say, tasks=self._tasks
        )
