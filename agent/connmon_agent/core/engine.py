"""The step: one event in, one decision out. Pure: the same world and the same event always give the same step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..charts.chart import Chart
from ..charts.machine import Choice, Chooser, MachineChooser, TableChooser
from ..texts import LONGEST_MESSAGE, shorten
from .draft import Draft, ForwardContext, LinkContext, ServiceContext, Trigger
from .events import (
    AgentStarted,
    AgentStopped,
    Configured,
    Event,
    EvidenceChanged,
    ForwardChecked,
    Inspected,
    ListenAnswered,
    MeteredSeen,
    MonitoringGapEnded,
    Order,
    Ordered,
    Outcome,
    PortsSeen,
    QualityChanged,
    RestartAnswered,
    RoundFinished,
    TimerDue,
)
from .link import link_rules
from .link.flapping import begin_counting
from .link.monitoring_gaps import note_absence, note_boot, note_monitoring_gap
from .link.quality import is_poor
from .link.round_counts import apply_counts
from .link.rounds import ROUND_TRIGGERS, forget_rounds, note_cluster, note_news, note_quality, note_round
from .observations import Observation, Unobserved
from .orders import refuse_order
from .ports import forward_rules
from .ports.assignments import plans_of
from .ports.port_decisions import PortDecisions
from .services import service_rules
from .services.progress import note_progress
from .services.replacements import is_replaced, note_undoing
from .services.restart_backoff import parse_token
from .services.templates import note_template
from .steps import Resolution, Step, Transition
from .wording import counted, tell_evidence, tell_metered
from .world import Forward, Link, LinkState, Service, ServiceState, World

LINK, SERVICE, FORWARD = "link", "service", "forward"
_RULES: Mapping[str, Any] = {LINK: link_rules, SERVICE: service_rules, FORWARD: forward_rules}


class Engine:
    """Steps worlds by the charts. ``fast`` uses the charts' tables alone, for replays.

    The chart ``forward`` may be missing: journals of agents that had no local ports are decided again without it.
    """

    def __init__(self, charts: Mapping[str, Chart], *, fast: bool = False) -> None:
        chooser: Any = TableChooser if fast else MachineChooser
        self.chart_hashes = {name: chart.sha256 for name, chart in charts.items()}
        self._choosers: dict[str, Chooser[Any]] = {
            name: chooser(chart, _RULES[name].VOCABULARY) for name, chart in charts.items() if name in _RULES
        }
        self._ports = PortDecisions(self._fire)
        self._handlers: dict[type, Callable[[Draft, Any], None]] = {
            AgentStarted: self._on_start,
            AgentStopped: self._on_stop,
            Configured: self._on_configuration,
            RoundFinished: self._on_round,
            EvidenceChanged: self._on_evidence,
            QualityChanged: self._on_quality,
            MeteredSeen: self._on_metered,
            MonitoringGapEnded: self._on_monitoring_gap,
            Inspected: self._on_inspection,
            RestartAnswered: self._on_answer,
            TimerDue: self._on_timer,
            PortsSeen: self._ports.on_ports,
            ListenAnswered: self._ports.on_answer,
            ForwardChecked: self._ports.on_check,
            Ordered: self._on_order,
        }

    def step(self, world: World, event: Event) -> Step:
        """What ``event`` makes of ``world``."""
        world = apply_counts(world, event.counts)
        draft = Draft(world, event.at)
        self._handlers[type(event)](draft, event)
        self._run(draft, LinkContext(draft))
        while self._settle(draft):
            self._run(draft, LinkContext(draft))
        self._doubt_quality(draft)
        note_news(draft, world.link)
        return draft.finish()

    # What each event does before and besides the charts.

    def _on_start(self, draft: Draft, event: AgentStarted) -> None:
        draft.note("agent", f"started, version {event.version} (pid {event.pid})")
        fresh = draft.world.boot == ""
        rebooted = note_boot(draft, event.boot_id)
        # In an outage, what has answered before it still counts: an agent that starts then must not take a lost IP
        # version for one that the machine never had.
        heard = draft.link.heard if draft.link.state == LinkState.OFFLINE else ()
        draft.change_link(confirmed=False, heard=heard, **begin_counting(draft.link, draft.plan.link))
        if fresh or rebooted:
            draft.change_link(booted=draft.at, lacks="")
        for name in draft.world.names:
            if draft.service(name).healthy_since is not None:
                draft.change_service(name, healthy_since=None)
            draft.fire(SERVICE, name, "agent_started")
        self._ports.on_start(draft)
        if event.heartbeat is not None and note_absence(draft, event.heartbeat, rebooted=rebooted):
            self._judge_afresh(draft)
        else:
            draft.fire(LINK, LINK, "agent_started")

    def _on_stop(self, draft: Draft, event: AgentStopped) -> None:
        draft.note("agent", f"stopped: {event.reason}")
        for name in plans_of(draft.world):
            draft.fire(FORWARD, name, "agent_stopped")

    def _on_configuration(self, draft: Draft, event: Configured) -> None:
        """Take over a plan; services that are no longer in it are forgotten, their open intents abandoned."""
        known, names, ports = draft.world.services, draft.world.names, plans_of(draft.world)
        draft.change(plan=event.plan, charts=event.charts)
        for service in (known[name] for name in names):
            if service.intent is not None and not any(plan.name == service.name for plan in event.plan.services):
                reason = "the service is no longer configured"
                draft.resolutions.append(Resolution(service.name, service.intent.token, "abandoned", reason))
        services = {plan.name: known.get(plan.name, Service(plan.name)) for plan in event.plan.services}
        draft.change(services=services)
        forget_rounds(draft)
        for name in known.keys() - services.keys():
            draft.disarm(service_rules.backoff_timer(name))
        self._ports.on_configuration(draft, before=ports)
        self._return_to_charts(draft)
        draft.note("agent", f"configured: {counted(len(services), 'service')}")

    def _return_to_charts(self, draft: Draft) -> None:
        """A state that the chart no longer has is left for the initial one: nothing is known, nothing is done."""
        link, service, forward = (self._choosers[name].chart if name in self._choosers else None for name in _RULES)
        if link is not None and draft.link.state not in link.states:
            draft.change_link(state=link.initial, since=draft.at)
        for name, known in draft.world.services.items():
            if service is not None and known.state not in service.states:
                draft.change_service(name, state=service.initial, since=draft.at)
        for name, port in draft.world.forwards.items():
            if forward is not None and port.state not in forward.states:
                draft.change_forward(name, state=forward.initial, since=draft.at)

    def _on_round(self, draft: Draft, event: RoundFinished) -> None:
        before = draft.link.state
        diagnosis = note_round(draft, event.results)
        context = LinkContext(draft, cause=diagnosis.cause, detail=diagnosis.detail)
        draft.fire(LINK, LINK, ROUND_TRIGGERS[diagnosis.good])
        self._run(draft, context)
        if diagnosis.good is False and draft.link.state == LinkState.DEGRADED != before:  # it may be the verdict
            draft.fire(LINK, LINK, "round_bad")
            self._run(draft, context)

    def _on_evidence(self, draft: Draft, event: EvidenceChanged) -> None:
        """Evidence alone moves nothing: it makes one bad round enough, and calls for that round."""
        if event.evidence != draft.link.evidence:
            draft.change_link(evidence=event.evidence, evidence_since=draft.at)
            draft.note(LINK, tell_evidence(event.evidence))

    def _on_metered(self, draft: Draft, event: MeteredSeen) -> None:
        if event.metered != draft.link.metered:
            draft.change_link(metered=event.metered)
            draft.note(LINK, tell_metered(event.metered, event.source))

    def _on_monitoring_gap(self, draft: Draft, event: MonitoringGapEnded) -> None:
        if note_monitoring_gap(draft, event):
            self._judge_afresh(draft)

    def _judge_afresh(self, draft: Draft) -> None:
        """What was known before the monitoring gap is not known any more."""
        before = draft.link.state
        for name in draft.world.names:
            draft.fire(SERVICE, name, "monitoring_gap_ended")
        draft.fire(LINK, LINK, "monitoring_gap_ended")
        self._run(draft, LinkContext(draft))
        if draft.link.state == LinkState.DEGRADED != before:  # the doubt may be all that `after_gap` waits for
            draft.fire(LINK, LINK, "monitoring_gap_ended")
            self._run(draft, LinkContext(draft))

    def _on_quality(self, draft: Draft, event: QualityChanged) -> None:
        """What a link was worth before an outage says nothing of it afterwards: then it is measured anew."""
        if draft.link.state != LinkState.OFFLINE:
            note_quality(draft, event.measured_quality)
            draft.fire(LINK, LINK, "quality_bad" if is_poor(draft.link) else "quality_good")

    def _on_inspection(self, draft: Draft, event: Inspected) -> None:
        service = draft.world.services.get(event.service)
        if service is None:
            return
        note_cluster(draft, event.seen)
        if isinstance(event.seen, Observation):
            note_template(draft, event.service, event.seen)
            self._note_token(draft, service, event.seen)
            note_undoing(draft, event.service, event.seen)
        self._note_health(draft, service, event.seen)
        note_progress(draft, event.service, event.seen)
        draft.fire(SERVICE, event.service, "inspected")
        self._run_service(draft, ServiceContext(draft, event.service, event.seen))
        self._prove_health(draft, event.service)

    def _note_token(self, draft: Draft, service: Service, observation: Observation) -> None:
        """Take over a restart of ours that the world does not know of: its database was lost, or it arrived late.

        The template that bears the token now is taken for the one that the restart made: any later one is not.
        """
        seen = observation.token
        token = parse_token(seen)
        if service.intent is not None or token is None or seen == service.token:
            return
        known = parse_token(service.token)
        if token.store == draft.world.store and token.number > (known.number if known else 0) and service.attempts:
            draft.change_service(service.name, token=seen, restarted=draft.at, made=observation.template)
            draft.note(service.name, f"the cluster shows restart {seen}, which was not known to have arrived")
        elif service.token is None:  # a lost database must not give attempts back
            attempts = max(service.attempts, token.attempt)
            draft.change_service(service.name, token=seen, attempts=attempts, made=observation.template)

    def _note_health(self, draft: Draft, service: Service, seen: Observation | Unobserved) -> None:
        """What was not seen is no proof of health either, nor is what runs as it did before the restart."""
        healthy = isinstance(seen, Observation) and seen.healthy
        if healthy and service.state == ServiceState.VERIFYING:
            healthy = isinstance(seen, Observation) and is_replaced(draft.service(service.name), seen) is True
        if not healthy and service.healthy_since is not None:
            draft.change_service(service.name, healthy_since=None)
        elif healthy and service.healthy_since is None:
            draft.change_service(service.name, healthy_since=draft.at)

    def _prove_health(self, draft: Draft, name: str) -> None:
        service = draft.service(name)
        since = service.healthy_since
        owed = service.attempts or service.state == ServiceState.GAVE_UP
        if since is not None and owed and draft.at.steady - since.steady >= draft.plan.recovery.healthy_for:
            draft.fire(SERVICE, name, "health_proven")

    def _on_answer(self, draft: Draft, event: RestartAnswered) -> None:
        service = draft.world.services.get(event.service)
        if service is None or service.intent is None or service.intent.token != event.token:
            return  # the answer to a request that has been settled otherwise
        trigger = {
            Outcome.APPLIED: "restart_applied",
            Outcome.REFUSED: "restart_refused",
            Outcome.UNKNOWN: "restart_unknown",
        }[event.outcome]
        draft.fire(SERVICE, event.service, trigger)
        context = ServiceContext(
            draft,
            event.service,
            answer=event.reason,
            answer_kind=event.kind,
            retry_after=event.retry_after,
            template=event.template,
        )
        self._run_service(draft, context)

    def _on_timer(self, draft: Draft, event: TimerDue) -> None:
        if event.timer not in draft.world.timers:
            return
        draft.disarm(event.timer)
        if event.timer == link_rules.HOLD:
            draft.fire(LINK, LINK, "hold_elapsed")
            return
        if event.timer == link_rules.DAMPING:
            self._end_damping(draft)
            return
        name = event.timer.removeprefix(service_rules.backoff_timer(""))
        if name in draft.world.services:
            draft.fire(SERVICE, name, "backoff_elapsed")

    def _end_damping(self, draft: Draft) -> None:
        draft.change_link(damped_until=None)
        draft.note(LINK, "the link has stopped flapping; restarts are no longer held back")
        draft.fire(LINK, LINK, "damping_elapsed")

    def _on_order(self, draft: Draft, event: Ordered) -> None:
        draft.by, draft.ordered = event.by, event.services
        draft.refusal = refuse_order(draft.world, event)
        names = f" {', '.join(event.services)}" if event.services else ""
        if draft.refusal is not None:
            draft.note("agent", f"{event.order}{names} requested by {event.by}; refused: {draft.refusal}")
            return
        draft.note("agent", f"{event.order}{names} requested by {event.by}")
        if event.order in (Order.PAUSE, Order.RESUME):
            draft.change(paused=event.order is Order.PAUSE)
        elif event.order is Order.RECOVER:
            draft.fire(LINK, LINK, "operator_recover")
        else:
            for name in event.services or draft.world.names:
                draft.fire(SERVICE, name, "rearm")

    # The charts.

    def _settle(self, draft: Draft) -> bool:
        """Whether a recovery that has nothing left to do is to be ended now."""
        if draft.link.state != LinkState.RECOVERING or not link_rules.is_over(LinkContext(draft)):
            return False
        before = len(draft.transitions)
        draft.fire(LINK, LINK, "services_settled")
        self._run(draft, LinkContext(draft))
        return len(draft.transitions) > before

    def _doubt_quality(self, draft: Draft) -> None:
        """A link that works again may work badly: it is never ONLINE while it is slow or lossy."""
        if draft.link.state == LinkState.ONLINE and is_poor(draft.link):
            draft.fire(LINK, LINK, "quality_bad")
            self._run(draft, LinkContext(draft))

    def _run(self, draft: Draft, link: LinkContext) -> None:
        """Work triggers off until none is left; ``link`` is the context of the link's own."""
        while draft.triggers:
            trigger = draft.triggers.popleft()
            self._fire(
                draft, trigger, link if trigger.chart == LINK else _CONTEXTS[trigger.chart](draft, trigger.instance)
            )

    def _run_service(self, draft: Draft, context: ServiceContext) -> None:
        self._fire(draft, draft.triggers.popleft(), context)

    def _fire(self, draft: Draft, trigger: Trigger, context: Any) -> None:
        chooser, rules = self._choosers.get(trigger.chart), _RULES[trigger.chart]
        instance = self._instance(draft, trigger)
        choice = None if chooser is None else chooser.choose(instance.state, trigger.name, context)
        if choice is None:
            return
        reason = _reason(choice, rules.FIELDS, context)
        before, effects = draft.world, len(draft.effects)
        for name in choice.rule.after:
            rules.VOCABULARY.actions[name].run(context)
        unchanged = draft.world is before and len(draft.effects) == effects
        same = choice.rule.source == choice.rule.dest and reason == instance.reason
        if same and (unchanged or trigger.chart == FORWARD):
            return  # nothing new: the same state for the same reason; a port that is proven once more is no news
        self._enter(draft, trigger, choice.rule.dest, reason)
        draft.transitions.append(
            Transition(
                chart=trigger.chart,
                instance=trigger.instance,
                trigger=trigger.name,
                source=choice.rule.source,
                dest=choice.rule.dest,
                guards=choice.guards,
                actions=choice.rule.after,
                reason=reason,
            )
        )

    def _instance(self, draft: Draft, trigger: Trigger) -> Link | Service | Forward:
        if trigger.chart == LINK:
            return draft.link
        return draft.service(trigger.instance) if trigger.chart == SERVICE else draft.forward(trigger.instance)

    def _enter(self, draft: Draft, trigger: Trigger, state: str, reason: str) -> None:
        current = self._instance(draft, trigger)
        since = current.since if current.state == state else draft.at
        if trigger.chart == LINK:
            draft.change_link(state=state, since=since, reason=reason)
        elif trigger.chart == SERVICE:
            draft.change_service(trigger.instance, state=state, since=since, reason=reason)
        else:
            draft.change_forward(trigger.instance, state=state, since=since, reason=reason)


_CONTEXTS: Mapping[str, Callable[[Draft, str], Any]] = {SERVICE: ServiceContext, FORWARD: ForwardContext}


def _reason(choice: Choice, fields: Mapping[str, Callable[[Any], str]], context: Any) -> str:
    """The rule's sentence, its fields told as they are before its actions run, cut where it grows long."""
    text = choice.rule.reason
    for name, tell in fields.items():
        if "{" not in text:
            break
        if f"{{{name}}}" in text:
            text = text.replace(f"{{{name}}}", tell(context))
    return shorten(text, LONGEST_MESSAGE)
