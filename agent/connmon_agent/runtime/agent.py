"""The agent: takes events one at a time, makes each decision durable, and only then acts on it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial

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
    Order,
    Ordered,
    Outcome,
    RestartAnswered,
    RoundFinished,
    TimerDue,
    WentBlind,
)
from ..core.moments import Moment
from ..core.plan import Plan
from ..core.port_demands import services_held
from ..core.sightings import InternalErrors, ProbeResult, Traffic
from ..core.steps import Step
from ..core.world import World
from ..errors import InvariantError, StoreError
from ..ports import Cluster, Forwards, Prober
from ..supervision import Tasks, cancel, report, supervise
from .blindness import Vigil, was_blind
from .incidents import Incidents
from .quality_meter import QualityMeter
from .sentences import Sentence, tell_damage, tell_step
from .surroundings import Listener, Lookout, Surroundings

# Seconds between attempts to open the state file again after a commit failed.
REOPEN_INTERVAL = 5.0
# What was found out before a blind time, and is looked at again after it.
OVERTAKEN = (RoundFinished, Inspected, TimerDue)
# What nothing would bring a second time: it is kept until it can be recorded.
WATCHED = (RoundFinished, EvidenceChanged, WentBlind)
# Of it, kept in memory while nothing can be recorded; only what changes something counts.
MOST_UNRECORDED = 10_000


class Agent:
    """Observers -> event -> step -> commit -> effects. One instance runs once.

    Everything happens in one thread: ``take`` runs to its end before the next event is looked at.
    """

    def __init__(self, *, engine: Engine, plan: Plan, surroundings: Surroundings) -> None:
        self._engine = engine
        self._plan = plan
        self._out = surroundings
        self._clock = surroundings.clock
        self._trouble: StoreError | None = None  # why nothing can be recorded now; None: everything is
        self._regaining = False
        self._unrecorded: list[Event] = []  # what the link did while nothing could be recorded, in order
        self._doubted: World | None = None  # made by the first of them, whose commit failed; None: none was tried
        self._ending = asyncio.Event()
        self._end_reason = "ended"
        self._tasks: Tasks = set()
        self.world = surroundings.journal.load()
        self._vigil = Vigil(self._clock)
        self._quality = QualityMeter(world=self._get_world, take=self.take)
        self._lookout = Lookout(
            surroundings,
            Listener(
                world=self._get_world,
                take=self.take,
                note_round=self._note_round,
                note_traffic=self._note_traffic,
                wake=self._wake,
                rest=self._vigil.rest,
            ),
        )

    async def run(self) -> None:
        """Watch and act until ``end`` is called."""
        with self._noting_errors():
            self._begin(self._out.journal.last_sign_of_life())
            self._lookout.start(self._tasks)
            try:
                await self._ending.wait()
            finally:
                await self._finish()

    def end(self, reason: str) -> None:
        """Ask the agent to end in order."""
        self._end_reason = reason
        self._ending.set()

    def configure(
        self,
        plan: Plan,
        *,
        prober: Prober | None = None,
        cluster: Cluster | None = None,
        forwards: Forwards | None = None,
    ) -> None:
        """Take over another plan; the prober, the cluster and the forwards are exchanged where new ones are given.

        A round that is under way belongs to the old configuration: it is dropped, and the next one is due at once.
        """
        self._plan = plan
        self._lookout.rounds.forget()
        if prober is not None:
            close = self._lookout.rounds.prober.close
            supervise("close the probes of the configuration before", close, tasks=self._tasks, again=False)
        self._lookout.turn_to(prober=prober, cluster=cluster, forwards=forwards)
        self._out = replace(self._out, cluster=cluster or self._out.cluster, forwards=forwards or self._out.forwards)
        if prober is not None:
            self._quality.forget()
        self.take(self._configured())

    def obey(self, order: Order, services: tuple[str, ...], by: str) -> str | None:
        """Carry an operator's order out. It is durable on return; returns why it was refused (None: it was not).

        Raises StoreError when it cannot be recorded.
        """
        if self._trouble is not None:
            raise self._trouble
        step = self.take(Ordered(self._clock.now(), order, services, by))
        if self._trouble is not None:
            raise self._trouble
        return step.refusal

    def take(self, event: Event) -> Step:
        """Decide on one event. Nothing is done before the decision is durable, and its words are cut where too long.

        Where nobody watched since the last one, that comes first, and what was found out before is looked at again.
        """
        if self._wake():
            if isinstance(event, OVERTAKEN):
                return Step(self.world)
            event = replace(event, at=self._clock.now())
        return self._decide(bound_words(event))

    def _wake(self) -> bool:
        """Notice a time in which nobody watched; whether there was one."""
        events = self._vigil.wake()
        if blind := was_blind(events):
            self._lookout.rounds.forget()
            self._quality.forget()
        for event in events:
            self._decide(event)
        return blind

    def _decide(self, event: Event) -> Step:
        try:
            step = self._engine.step(self.world, event)
        except Exception as error:  # a mistake of ours: one event is lost, and the agent watches on
            return self._pass_over(event, error)
        if not step.changes(self.world):
            return step
        if self._trouble is not None:
            self._go_on_blindly(event, step)
            return step
        if self._commit(event, step):
            self._renew_suspects(step.world)
            before, self.world = self.world, step.world
            for sentence in tell_step(event.at, step):
                self._out.say(sentence)
            self._perform(step)
            if step.world.forwards is not before.forwards:
                self._out.forwards.retain(services_held(step.world))
                self._out.publish(step.world)
            self._nudge()
        elif self._trouble is not None:
            self._doubted = step.world if isinstance(event, WATCHED) else None
            self._go_on_blindly(event, step)
        return step

    # The state file.

    def _commit(self, event: Event, step: Step) -> bool:
        try:
            self._out.journal.commit(event, step)
        except StoreError as error:
            self._lose_memory(error)
            return False
        except InvariantError as error:  # nothing was written, and the journal is in order
            self._pass_over(event, error)
            return False
        return True

    def _pass_over(self, event: Event, error: Exception) -> Step:
        """Nothing is decided on an event that our own parts disagree about."""
        report(f"decide on {type(event).__name__}", error)
        return Step(self.world)

    def _lose_memory(self, error: StoreError) -> None:
        """A failed commit may or may not be durable: act on nothing until the state file has been read again."""
        if self._trouble is None and not self._regaining:
            self._say("error", f"nothing can be recorded, so nothing is restarted: {error}")
        self._trouble = error
        if not self._regaining and not self._ending.is_set():
            self._regaining = True
            supervise("open the state file again", self._regain_memory, tasks=self._tasks)

    async def _regain_memory(self) -> None:
        while self._trouble is not None:
            await self._clock.sleep(REOPEN_INTERVAL)
            self._wake()
            try:
                await self._catch_up()
            except StoreError as error:
                self._trouble = error
                continue
            self._begin(None)  # whatever was on its way is of unknown outcome now
        self._regaining = False
        self._say("info", "the state file can be written again")
        self._nudge()

    async def _catch_up(self) -> None:
        """Record what the link did meanwhile: an outage must not be forgotten because the disk was full.

        Raises StoreError: the disk still fails. What the state file does not hold is kept.
        """
        world = self._out.journal.reopen()
        if self._doubted is not None and world == self._doubted:  # the commit that failed was durable
            del self._unrecorded[0]
        self._doubted = None
        while self._unrecorded:
            world = self._record(world, self._unrecorded[0])
            del self._unrecorded[0]
            self._doubted = None
            await asyncio.sleep(0)  # the watch goes on between two commits, and may add to them
        self.world, self._trouble = world, None

    def _record(self, world: World, event: Event) -> World:
        """The world that ``event`` makes of ``world``, which the state file holds. People were told at the time."""
        try:
            step = self._engine.step(world, event)
            if step.changes(world):
                self._doubted = step.world
                self._out.journal.commit(event, step)
        except StoreError:
            raise
        except Exception as error:  # a mistake of ours, as in `_decide`
            self._pass_over(event, error)
            return world
        return step.world

    def _go_on_blindly(self, event: Event, step: Step) -> None:
        """Go on watching the link and telling of it; the cluster is left alone."""
        if isinstance(event, WATCHED):
            self.world = step.world
            if len(self._unrecorded) < MOST_UNRECORDED:
                self._unrecorded.append(event)
            for sentence in tell_step(event.at, step):
                self._out.say(sentence)

    def _renew_suspects(self, world: World) -> None:
        """A kind of probe that has become suspect begins anew: the fault may lie in what it has kept."""
        suspects = set(world.link.suspects) - set(self.world.link.suspects)
        if suspects:
            self._lookout.rounds.prober.renew(suspects)

    def _note_round(self, at: Moment, results: tuple[ProbeResult, ...]) -> None:
        results = bound_words(results)
        sight = self._quality.see(at, results)
        if self._trouble is None:
            try:
                self._out.journal.note_round(at, results, sight)
            except StoreError as error:
                self._lose_memory(error)

    def _note_traffic(self, at: Moment, traffic: tuple[Traffic, ...]) -> None:
        if self._trouble is None:
            try:
                self._out.journal.note_traffic(at, bound_words(traffic))
            except StoreError as error:
                self._lose_memory(error)

    def _note_errors(self, errors: InternalErrors) -> None:
        if self._trouble is None:
            try:
                self._out.journal.note_errors(errors)
            except StoreError as error:
                self._lose_memory(error)

    # The effects.

    def _perform(self, step: Step) -> None:
        for effect in step.effects:
            supervise(f"restart {effect.service}", partial(self._restart, effect), tasks=self._tasks, again=False)
        for order in step.listens:
            supervise(f"listen for {order.service}", partial(self._listen, order), tasks=self._tasks, again=False)

    async def _restart(self, effect: Restart) -> None:
        try:
            answer = await self._out.cluster.restart(effect, self._clock.now())
        except Exception as error:  # a mistake of ours: the outcome is unknown, and the core knows what to do then
            report(f"restart {effect.service}", error)
            reason = f"internal error while asking for the restart: {error!r}"
            answer = RestartAnswered(
                self._clock.now(), effect.service, effect.token, Outcome.UNKNOWN, reason, kind="internal"
            )
        self.take(replace(answer, at=self._clock.now()))  # dated when it came

    async def _listen(self, order: Listen) -> None:
        try:
            answer = await self._out.forwards.listen(order, self._clock.now())
        except Exception as error:  # a mistake of ours: the port counts as taken, and the others are tried
            report(f"listen for {order.service}", error)
            reason = f"not to be had: internal error: {error!r}"
            answer = ListenAnswered(self._clock.now(), order.service, order.token, reason)
        self.take(replace(answer, at=self._clock.now()))  # dated when it came

    # Beginning and end.

    def _begin(self, heartbeat: Moment | None) -> None:
        """``heartbeat``: since when nobody watched; None: this agent did, or none ever ran."""
        damage = tell_damage(self._out.journal)
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
        self.take(started)
        self.take(self._configured())

    def _configured(self) -> Configured:
        return Configured(self._clock.now(), self._plan, self._engine.chart_hashes)

    @contextmanager
    def _noting_errors(self) -> Iterator[None]:
        """Within, whatever fails unforeseen on the loop is counted and logged."""
        loop = asyncio.get_running_loop()
        before = loop.get_exception_handler()
        loop.set_exception_handler(Incidents(now=self._clock.now, say=self._out.say, note=self._note_errors))
        try:
            yield
        finally:
            loop.set_exception_handler(before)

    async def _finish(self) -> None:
        self._ending.set()  # nothing is begun any more
        await cancel(self._tasks)
        if self._trouble is not None:
            with suppress(StoreError):  # a last try: the disk may have got room since
                await self._catch_up()
        if self._trouble is None:
            self.take(AgentStopped(self._clock.now(), self._end_reason))
        await self._out.forwards.close()
        await self._out.watch.close()
        await self._lookout.rounds.prober.close()
        await self._out.cluster.close()
        if self._out.registries is not None:
            await self._out.registries.close()

    def _say(self, level: str, text: str) -> None:
        self._out.say(Sentence(self._clock.now(), level, "agent", text))

    def _get_world(self) -> World:
        return self.world

    def _nudge(self) -> None:
        self._lookout.nudge()
