"""A site's fate, drawn from a seed: whole weeks of outages, broken clusters, full disks, kills and operators."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random

from msgspec.structs import replace
from tests.fakes.sites import Killed, Site, Workload
from tests.fakes.soundness import Witness

from connmon_agent.core.events import Event, Order
from connmon_agent.core.notice_decisions import ROLL_UP
from connmon_agent.core.notices import Notice, SendAnswer, SendResult
from connmon_agent.core.observations import Pull, Reach, RegistryAnswer
from connmon_agent.core.plan import (
    AfterGap,
    ForwardPlan,
    Kind,
    LinkPlan,
    Plan,
    Reclaim,
    RecoveryPlan,
    ServicePlan,
    When,
    with_stages,
)
from connmon_agent.core.services.recovery import UNSETTLED
from connmon_agent.core.steps import Step
from connmon_agent.core.world import ForwardState, LinkState, ServiceState
from connmon_agent.errors import ConnmonError

DAY = 86_400.0
NAMES = ("db", "cache", "api", "web", "mesh", "grafana", "jaeger")
BEST_PORTS = range(8080, 8080 + len(NAMES))  # the primary port of each
PORTS = range(8080, 8080 + len(NAMES) + 3)
REFUSALS = ("conflict", "denied", "invalid", "forbidden", "not-found")  # what an API server answers that did nothing


@dataclass(frozen=True)
class Verdict:
    """How a life ended. ``faults`` is empty when everything held; ``story`` tells what happened, line by line."""

    seed: int
    days: float
    faults: list[str]
    story: list[str]
    restarts: int
    commits: int

    def __str__(self) -> str:
        return "\n".join([f"seed {self.seed}:", *self.story, "", *self.faults])


@dataclass
class Fate:
    """One site's life. ``live`` is to be run in virtual time."""

    seed: int
    days: float
    story: list[str] = field(default_factory=list)
    _blows: set[asyncio.Task[None]] = field(default_factory=set)
    _burial: asyncio.Lock = field(default_factory=asyncio.Lock)

    def __post_init__(self) -> None:
        self.dice = Random(self.seed)
        plan = self._draw_plan()
        self.site = Site(plan, fast=self.dice.random() < 0.8)
        for name in NAMES:
            self.site.cluster.workloads.setdefault(name, Workload(ready_after=self.dice.uniform(0.5, 8.0)))
        self.site.notify(mail=False, sms=True)
        self.witness = Witness(self.site)

    async def live(self) -> Verdict:
        """Live through every blow, then find peace."""
        random.seed(self.seed)  # the agent's own dice, which spread its rounds
        await self._start()
        ends = self.site.clock.now().steady + self.days * DAY
        while self.site.clock.now().steady < ends:
            await self.site.wait(self._draw_seconds(2.0, 3600.0))
            self._strike()
        await self._find_peace()
        faults = await self._settle()
        await self._end()
        applied = sum(len(workload.tokens) for workload in self.site.cluster.workloads.values())
        return Verdict(self.seed, self.days, faults, self.story, applied, len(self.site.disk.commits))

    # What is drawn.

    def _draw_seconds(self, shortest: float, longest: float) -> float:
        """Short ones and long ones are equally likely on a logarithmic scale."""
        return math.exp(self.dice.uniform(math.log(shortest), math.log(longest)))

    def _draw_plan(self) -> Plan:
        dice = self.dice
        interval = dice.choice((5.0, 30.0, 60.0))
        link = LinkPlan(
            quorum=dice.choice((1, 2, 2, 3)),
            fall=dice.randint(1, 4),
            rise=dice.randint(1, 4),
            hold=dice.choice((0.0, 1.0, 10.0, 60.0)),
            check_interval=interval,
            confirm_interval=dice.choice((0.5, interval)),
            after_gap=dice.choice(tuple(AfterGap)),
        )
        recovery = RecoveryPlan(
            act=dice.random() < 0.95,
            when=dice.choice((When.ALWAYS, When.ALWAYS, When.UNHEALTHY, When.OUTAGE_LONGER_THAN)),
            outage_longer_than=dice.choice((0.0, 60.0)),
            max_restart_attempts=dice.randint(1, 4),
            parallel=dice.randint(1, 4),
            ready_timeout=dice.choice((10.0, 60.0, 300.0)),
            healthy_for=dice.choice((60.0, 600.0)),
            backoff_first=dice.choice((1.0, 10.0)),
            backoff_max=dice.choice((20.0, 300.0)),
            postpone_limit=dice.choice((30.0, 600.0)),
        )
        return Plan(link, recovery, self._draw_services())

    def _draw_services(self) -> tuple[ServicePlan, ...]:
        chosen = [name for name in NAMES if self.dice.random() < 0.7]
        services = []
        for place, name in enumerate(chosen):
            depends_on = tuple(other for other in chosen[:place] if self.dice.random() < 0.2)
            forward = self._draw_port(BEST_PORTS[NAMES.index(name)])
            services.append(ServicePlan(name, Kind.DEPLOYMENT, "erp-system", name, depends_on, forward=forward))
        return with_stages(services)

    def _draw_port(self, best: int) -> ForwardPlan | None:
        """Primary ports are each service's own; alternatives overlap, with each other and with those."""
        if self.dice.random() < 0.4:
            return None
        others = self.dice.sample([port for port in PORTS if port != best], k=self.dice.randint(0, 3))
        return ForwardPlan(best, tuple(others), reclaim=self.dice.choice(tuple(Reclaim)))

    def _draw_workload(self) -> tuple[str, Workload]:
        name = self.dice.choice(NAMES)
        return name, self.site.cluster.workloads[name]

    # What happens.

    def _strike(self) -> None:
        """Let one thing happen; it lasts on its own while the next ones come."""
        blows: list[tuple[int, Callable[[], Coroutine[None, None, None]]]] = [
            (10, self._cut_link), (4, self._flap), (6, self._lose_one_round), (3, self._silence_targets),
            (4, self._take_api_away), (6, self._spoil_requests), (4, self._refuse_requests),
            (5, self._break_rollouts), (4, self._hang_pods), (4, self._let_somebody_restart),
            (2, self._recreate_workload), (3, self._block_disruptions), (3, self._change_workload),
            (2, self._forbid_looking), (3, self._give_order), (2, self._pause), (5, self._kill),
            (8, self._kill_at_commit), (2, self._stop_agent), (3, self._spoil_disk), (3, self._slow_disk),
            (2, self._reconfigure), (2, self._sleep), (1, self._set_clock), (6, self._take_ports),
            (3, self._surprise_with_port), (5, self._lead_nowhere), (3, self._connect), (4, self._take_registry_away),
            (3, self._reboot), (2, self._let_controller_undo), (4, self._fail_channel), (4, self._kill_while_sending),
        ]  # fmt: skip
        weights = [weight for weight, _ in blows]
        blow = self.dice.choices([blow for _, blow in blows], weights)[0]
        task = asyncio.ensure_future(blow())
        self._blows.add(task)
        task.add_done_callback(self._blows.discard)

    def _tell(self, text: str) -> None:
        self.story.append(f"{self.site.clock.now().steady:12.2f} {text}")

    async def _cut_link(self) -> None:
        dark = self._draw_seconds(0.5, 4 * 3600.0)
        self._tell(f"the link is cut for {dark:.1f} s")
        self.site.link.up = False
        if self.dice.random() < 0.3:
            name, workload = self._draw_workload()
            workload.stuck = True
            self._tell(f"the pods of {name} hang")
        await self.site.wait(dark)
        self.site.link.up = True

    async def _flap(self) -> None:
        times = self.dice.randint(2, 8)
        self._tell(f"the link flaps {times} times")
        for _ in range(times):
            self.site.link.up = False
            await self.site.wait(self._draw_seconds(0.3, 90.0))
            self.site.link.up = True
            await self.site.wait(self._draw_seconds(0.3, 90.0))

    async def _lose_one_round(self) -> None:
        self.site.link.up = False
        await self.site.wait(0.1)
        self.site.link.up = True

    async def _silence_targets(self) -> None:
        self.site.link.answering = self.dice.randint(0, 2)
        self._tell(f"{self.site.link.answering} of 3 targets answer")
        await self.site.wait(self._draw_seconds(1.0, 3600.0))
        self.site.link.answering = 3

    async def _take_api_away(self) -> None:
        away = self._draw_seconds(1.0, 2 * 3600.0)
        self._tell(f"the API keeps silent for {away:.0f} s")
        self.site.cluster.reachable = False
        await self.site.wait(away)
        self.site.cluster.reachable = True

    async def _spoil_requests(self) -> None:
        faults = self.dice.choices(("", "lost", "no reply", "late"), k=self.dice.randint(1, 5))
        self._tell(f"the next restart requests meet {faults}")
        self.site.cluster.faults += faults

    async def _refuse_requests(self) -> None:
        kinds = self.dice.choices(REFUSALS, k=self.dice.randint(1, 4))
        self._tell(f"the next restart requests are refused: {kinds}")
        self.site.cluster.refusals += [(kind, f"the API said {kind}") for kind in kinds]

    async def _break_rollouts(self) -> None:
        name, workload = self._draw_workload()
        workload.failures = self.dice.randint(1, 5)
        workload.stalls = self.dice.choice((None, "ErrImagePull", "CrashLoopBackOff"))
        self._tell(f"the next {workload.failures} rollouts of {name} do not get ready: {workload.stalls}")

    async def _hang_pods(self) -> None:
        name, workload = self._draw_workload()
        self._tell(f"the pods of {name} hang")
        workload.stuck = True

    async def _let_somebody_restart(self) -> None:
        name, workload = self._draw_workload()
        now = self.site.clock.now()
        self._tell(f"somebody restarts {name}")
        workload.roll(now.steady, by="kubectl rollout restart")

    async def _let_controller_undo(self) -> None:
        name, workload = self._draw_workload()
        workload.reverts_after = self._draw_seconds(0.1, 60.0)
        self._tell(f"a controller takes restarts of {name} back after {workload.reverts_after:.1f} s")
        await self.site.wait(self._draw_seconds(10.0, 3600.0))
        workload.reverts_after = None

    async def _recreate_workload(self) -> None:
        name, workload = self._draw_workload()
        self._tell(f"somebody deletes {name} and makes it anew")
        workload.exists = False
        await self.site.wait(self._draw_seconds(0.5, 600.0))
        now = self.site.clock.now()
        workload.exists, workload.uid, workload.token = True, f"uid-{now.steady}", None
        workload.roll(now.steady, by="kubectl create")
        workload.generation = 1

    async def _block_disruptions(self) -> None:
        name, workload = self._draw_workload()
        self._tell(f"a PodDisruptionBudget protects {name}")
        workload.blocked_by = f"{name}-pdb"
        await self.site.wait(self._draw_seconds(5.0, 3600.0))
        workload.blocked_by = None

    async def _fail_channel(self) -> None:
        """A receiver that takes nothing for a while, refuses once for good, or lets everybody wait."""
        messenger, channel = self.site.messenger, self.dice.choice(("mail", "sms"))
        how = self.dice.choice(("fails", "refuses", "hangs"))
        self._tell(f"the channel {channel} {how}")
        if how == "refuses":
            messenger.answers[channel] = [SendAnswer(SendResult.REFUSED, "550 no such user")]
        elif how == "fails":
            wish = self.dice.choice((None, 5.0, 600.0))
            messenger.answers[channel] = [SendAnswer(SendResult.FAILED, "421 busy", wish)] * 1000
        else:
            messenger.hangs.add(channel)
        await self.site.wait(self._draw_seconds(1.0, 8 * 3600.0))
        messenger.answers.pop(channel, None)
        messenger.hangs.discard(channel)

    async def _take_registry_away(self) -> None:
        """A workload whose restart must pull, and whose registry is out of reach, or limits, for a while."""
        name, workload = self._draw_workload()
        reach = self.dice.choice((Reach.UNREACHABLE, Reach.LIMITED, Reach.UNKNOWN))
        self._tell(f"the registry of {name} is {reach}")
        workload.pulls = (Pull(name, f"{name}/app:1", "imagePullPolicy Always"),)
        self.site.registries.answers[name] = RegistryAnswer(reach, "so it is told")
        await self.site.wait(self._draw_seconds(5.0, 3600.0))
        self.site.registries.answers.pop(name, None)

    async def _change_workload(self) -> None:
        name, workload = self._draw_workload()
        what = self.dice.choice(("paused", "scaled to 0", "slow"))
        self._tell(f"{name} is {what}")
        before = workload.paused, workload.desired, workload.ready_after
        if what == "paused":
            workload.paused = True
        elif what == "slow":
            workload.ready_after = self._draw_seconds(1.0, 900.0)
        else:
            workload.desired = 0
        await self.site.wait(self._draw_seconds(5.0, 3600.0))
        workload.paused, workload.desired, workload.ready_after = before

    async def _forbid_looking(self) -> None:
        name, _ = self._draw_workload()
        self._tell(f"{name} may not be looked at")
        self.site.cluster.forbidden.add(name)
        await self.site.wait(self._draw_seconds(5.0, 3600.0))
        self.site.cluster.forbidden.discard(name)

    async def _give_order(self) -> None:
        services = tuple(name for name in self.site.world.services if self.dice.random() < 0.3)
        order = self.dice.choice((Order.RECOVER, Order.REARM, Order.RESUME))
        await self._obey(order, services)

    async def _pause(self) -> None:
        await self._obey(Order.PAUSE, ())
        await self.site.wait(self._draw_seconds(1.0, 3600.0))
        await self._obey(Order.RESUME, ())

    async def _obey(self, order: Order, services: tuple[str, ...]) -> None:
        agent = self.site.agent
        if agent is None or self.site.disk.dead:
            return
        try:
            refusal = await agent.obey(order, services, "root")
        except (Killed, ConnmonError) as error:
            refusal = repr(error)
        self._tell(f"root orders {order} {services}: {refusal or 'done'}")

    async def _kill(self) -> None:
        self._tell("the agent is killed")
        self.site.die()
        await self._replace_agent()

    async def _kill_at_commit(self) -> None:
        timestamp = self.dice.choice(("before", "after"))
        countdown = self.dice.randint(1, 12)
        dying = asyncio.Event()

        def strikes(event: Event, step: Step) -> bool:
            nonlocal countdown
            countdown -= 1
            if countdown == 0:
                dying.set()
            return countdown == 0

        self.site.die_at(timestamp, strikes)
        await dying.wait()
        self._tell(f"the agent was killed {timestamp} a commit")
        await self._replace_agent()

    async def _kill_while_sending(self) -> None:
        """Before an attempt to send a notice, or its end, is recorded."""
        dying, state = asyncio.Event(), self.dice.choice(("sending", "sent"))

        def strike(notice: Notice) -> None:
            if notice.state == state:
                self.site.disk.attempted = None
                dying.set()
                self.site.die()
                raise Killed

        self.site.disk.attempted = strike
        await dying.wait()
        self._tell("the agent was killed while it sent a notice")
        await self._replace_agent()

    async def _replace_agent(self) -> None:
        """Bury the dead agent and start another one, now or later; one burial at a time."""
        async with self._burial:
            if not self.site.disk.dead:
                return
            self.site.disk.before = self.site.disk.after = self.site.disk.attempted = None
            await self.site.kill()
            await self.site.wait(self.dice.choice((0.0, 0.0, self._draw_seconds(0.1, 8 * 3600.0))))
            await self._start()

    async def _start(self) -> None:
        self._tell("the agent starts")
        with suppress(Killed):
            await self.site.start()

    async def _reboot(self) -> None:
        """The agent is back before the machine's own network is, or after."""
        late = self._draw_seconds(0.1, 300.0)
        self._tell(f"the machine boots, and has no default route for {late:.1f} s")
        self.site.die()
        self.site.boot += 1
        self.site.watch.show(default_route=False)
        self.site.link.up = False
        await self._replace_agent()
        await self.site.wait(late)
        self.site.watch.show(default_route=True)
        self.site.link.up = True

    async def _stop_agent(self) -> None:
        async with self._burial:
            if self.site.disk.dead:
                return
            self._tell("the agent is stopped")
            with suppress(Killed):
                await self.site.stop()
            self.site.die()
        await self._replace_agent()

    async def _spoil_disk(self) -> None:
        self.site.disk.fail = self.dice.choice(("full", "unsure", "away"))
        self._tell(f"the disk fails: {self.site.disk.fail}")
        await self.site.wait(self._draw_seconds(0.1, 3600.0))
        self.site.disk.fail = None

    async def _slow_disk(self) -> None:
        self.site.disk.slow = self._draw_seconds(0.01, 30.0)
        self._tell(f"each commit takes {self.site.disk.slow:.2f} s")
        await self.site.wait(self._draw_seconds(0.1, 600.0))
        self.site.disk.slow = 0.0

    async def _sleep(self) -> None:
        seconds = self._draw_seconds(1.0, 8 * 3600.0)
        self._tell(f"the machine sleeps for {seconds:.0f} s")
        self.site.clock.asleep += seconds

    async def _set_clock(self) -> None:
        seconds = self.dice.choice((-1.0, 1.0)) * self._draw_seconds(0.1, 3600.0)
        self._tell(f"the clock is set by {seconds:.0f} s")
        self.site.clock.wall_step += seconds

    async def _reconfigure(self) -> None:
        agent, plan = self.site.agent, self.site.plan
        plan = replace(plan, services=self._draw_services())
        self._tell(f"another configuration: {[service.name for service in plan.services]}")
        self.site.plan = plan
        if agent is not None and not self.site.disk.dead:
            with suppress(Killed, ConnmonError):
                await agent.configure(plan)

    async def _take_ports(self) -> None:
        ports = self.dice.sample(PORTS, k=self.dice.randint(1, 4))
        self._tell(f"somebody listens on {ports}")
        ours = set(self.site.forwards.listening.values())
        taken = {port: f"nginx (pid {port})" for port in ports if port not in ours}
        self.site.machine.holders |= taken
        await self.site.wait(self._draw_seconds(1.0, 3600.0))
        for port in taken:
            self.site.machine.holders.pop(port, None)

    async def _surprise_with_port(self) -> None:
        port = self.dice.choice(PORTS)
        self._tell(f"port {port} only looks free")
        self.site.machine.surprises[port] = "is reserved by Windows"
        await self.site.wait(self._draw_seconds(1.0, 3600.0))
        self.site.machine.surprises.pop(port, None)

    async def _lead_nowhere(self) -> None:
        name, lasting = self.dice.choice(NAMES), self.dice.random() < 0.3
        self._tell(f"nobody reaches {name}{', and a person must mend it' if lasting else ''}")
        troubles, lastings = self.site.troubles, self.site.lasting
        troubles[name] = "the pod refuses the connection"
        lastings.update({name} if lasting else ())
        self.site.forwards.fail_connection(name)
        await self.site.wait(self._draw_seconds(0.5, 3600.0))
        troubles.pop(name, None)
        lastings.discard(name)

    async def _connect(self) -> None:
        name = self.dice.choice(NAMES)
        self.site.open_connections[name] = 1
        await self.site.wait(self._draw_seconds(1.0, 3600.0))
        self.site.open_connections.pop(name, None)

    # How it ends.

    async def _find_peace(self) -> None:
        self._tell("peace")
        blows = list(self._blows)
        for blow in blows:
            blow.cancel()
        await asyncio.gather(*blows, return_exceptions=True)
        site, cluster = self.site, self.site.cluster
        site.disk.fail = site.disk.before = site.disk.after = site.disk.attempted = None
        site.disk.slow = 0.0
        site.link.up, site.link.answering = True, 3
        site.watch.show(default_route=True)
        cluster.reachable, cluster.faults, cluster.refusals, cluster.forbidden = True, [], [], set()
        for workload in cluster.workloads.values():
            workload.exists, workload.paused, workload.desired, workload.stuck = True, False, 1, False
            workload.ready_after, workload.failures, workload.rollout_works = 2.0, 0, True
            workload.blocked_by = workload.reverts_after = None
        site.registries.answers.clear()
        site.messenger.answers.clear()
        site.messenger.hangs.clear()
        site.machine.holders.clear()
        site.machine.surprises.clear()
        site.troubles.clear()
        site.lasting.clear()
        site.open_connections.clear()
        site.die()
        await site.kill()
        await self._start()
        await site.wait(10.0)  # the disk is tried again
        await self._obey(Order.RESUME, ())

    async def _settle(self) -> list[str]:
        """What is wrong once nothing is wrong any more: something is stuck, or the disk is written for nothing."""
        site, recovery, faults = self.site, self.site.plan.recovery, []
        attempt = recovery.ready_timeout + recovery.backoff_max * 1.2 + recovery.postpone_limit + 10.0
        bound = site.plan.link.hold + 300.0 + len(site.plan.services) * recovery.max_restart_attempts * attempt
        if not await self._comes_true(self._is_settled, within=bound):
            faults.append(f"not settled: {site.describe()}")
        if not await self._comes_true(self._is_healthy, within=recovery.healthy_for + 120.0):
            faults.append(f"not healthy: {site.describe()}")
        await site.wait(recovery.healthy_for + 120.0)  # the last attempts are given back
        commits = len(site.disk.commits)
        await site.wait(600.0)
        if len(site.disk.commits) > commits:
            faults.append(f"a steady link wrote {[commit.event for commit in site.disk.commits[commits:]]}")
        faults += self._find_faults_of_ports()
        if not await self._comes_true(lambda: not site.disk.unsent, within=2 * ROLL_UP):
            faults.append(f"not sent: {site.disk.unsent}")
        return faults + self.witness.testify()

    def _find_faults_of_ports(self) -> list[str]:
        """In peace each service is on its primary port, or stays on another where it is told to, and is reached."""
        world, listening, faults = self.site.world, self.site.forwards.listening, []
        for plan in world.plan.services:
            if plan.forward is None:
                continue
            forward = world.forwards[plan.name]
            if forward.state != ForwardState.OPEN or listening.get(plan.name) != forward.port:
                faults.append(f"{plan.name} is not reached on what it listens on: {forward}, {listening}")
            if plan.forward.reclaim is Reclaim.IDLE and forward.port != plan.forward.port:
                faults.append(f"{plan.name} is not back on its primary port: {forward}")
        return faults

    async def _comes_true(self, condition: Callable[[], bool], *, within: float) -> bool:
        deadline = self.site.clock.now().steady + within
        while not condition() and self.site.clock.now().steady < deadline:
            await self.site.wait(5.0)
        return condition()

    def _is_settled(self) -> bool:
        world = self.site.world
        return world.link.state == LinkState.ONLINE and all(
            service.state not in UNSETTLED for service in world.services.values()
        )

    def _is_healthy(self) -> bool:
        return all(service.state == ServiceState.READY for service in self.site.world.services.values())

    async def _end(self) -> None:
        if not self.site.disk.dead:
            await self.site.stop()
