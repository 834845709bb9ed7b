"""`status` for people: the verdict first, then what it rests on, then what to do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import tzinfo

from ...core.link.causes import describe_quality, find_unheard
from ...core.link.damping import count_failures
from ...core.link.metering import is_metered
from ...core.observations import ProbeResult
from ...core.timestamps import Timestamp
from ...core.world import LinkState, Outage, Service, ServiceState
from ...explain.facts import advise
from ...explain.headlines import tell_lost
from ..wording import count_of, say_date_and_time, say_duration, say_time, wrap
from .notice_tables import tell_outbox
from .port_lines import port_lines
from .snapshots import Snapshot
from .tables import INDENT, lay_out
from .tones import LINK_TONES, SERVICE_TONES, Paint, Tone, paint_nothing

WIDTH = 80
OLD = 5.0  # seconds after which an answer is told with its age


def render_status(
    snapshot: Snapshot,
    *,
    width: int = WIDTH,
    paint: Paint = paint_nothing,
    zone: tzinfo | None = None,
    past: bool = False,
) -> str:
    """The state in lines of at most ``width`` columns.

    ``zone`` is where the reader lives (None: the machine's). ``past`` leaves out what one only asks of the present:
    what to do now, and how much is remembered.
    """
    present = not past
    blocks = (
        _verdict(snapshot, width, paint),
        _probes(snapshot, width, paint),
        _outage(snapshot, width, zone),
        _services(snapshot, width, paint, zone),
        port_lines(snapshot, width, paint) if present else (),
        _open_things(snapshot, width, zone),
        _advice(snapshot, width) if present else (),
        (
            *_agent(snapshot, width, zone),
            *_monitoring_gap(snapshot, width, zone),
            *(_outbox(snapshot, width, zone) if present else ()),
            *(_memory(snapshot, width) if present else ()),
        ),
    )
    return "\n\n".join("\n".join(block) for block in map(list, blocks) if block)


def _verdict(snapshot: Snapshot, width: int, paint: Paint) -> Iterator[str]:
    word, tone, rest = judge(snapshot)
    first, *more = wrap(word + rest, width=width, indent=INDENT, first="")
    yield paint(word, tone) + first.removeprefix(word)
    yield from more
    if word == snapshot.world.link.state:
        yield from _cause(snapshot, width)
    if snapshot.world.paused:
        yield from wrap("PAUSED: nothing is restarted until `connmon-agent resume`", width=width, indent=INDENT)
    if not snapshot.world.plan.recovery.act:
        yield from wrap("SHADOW MODE (recovery.act: false): nothing is restarted", width=width, indent=INDENT)


def _cause(snapshot: Snapshot, width: int) -> Iterator[str]:
    """What is wrong now with its evidence, unless the verdict has just said so, and what to do about it."""
    link = snapshot.world.link
    if link.cause is None:
        return
    told = f"{link.cause}: {link.detail}"
    if told not in link.reason:
        yield from wrap(f"Cause: {told}", width=width, indent=INDENT)
    if advice := advise(link.cause):
        yield from wrap(advice, width=width, indent=INDENT)


def judge(snapshot: Snapshot) -> tuple[str, Tone, str]:
    """The verdict's word, its tone, and the rest of the sentence. Without an agent the state is not known."""
    link = snapshot.world.link
    age = f" for {say_duration(_now(snapshot).steady - link.since.steady)}" if link.since.wall else ""
    if snapshot.agent is None:
        return "UNKNOWN", Tone.BAD, ": no agent has run yet"
    if snapshot.fresh:
        return "UNKNOWN", Tone.UNSURE, f": the agent is starting. Last state: {link.state}"
    if not snapshot.running:
        ago = say_duration(snapshot.now - snapshot.agent.heartbeat.wall)
        return "UNKNOWN", Tone.BAD, f": no agent is running. Last state, {ago} ago: {link.state}"
    if snapshot.silent_for is not None:
        silence = say_duration(snapshot.silent_for)
        return "UNKNOWN", Tone.BAD, f": no response from the agent for {silence}. Last state: {link.state}"
    return str(link.state), LINK_TONES[LinkState(link.state)], f"{age}{tell_lost(snapshot.world)}: {link.reason}"


def _names_in(snapshot: Snapshot, state: ServiceState) -> list[str]:
    return [service.name for _, service in snapshot.services() if service.state == state]


def _probes(snapshot: Snapshot, width: int, paint: Paint) -> Iterator[str]:
    latest = snapshot.round
    if latest is None:
        return
    yield f"Probes, {say_duration(snapshot.now - latest.at.wall)} ago"
    rows = [_probe_row(result, snapshot) for result in latest.results]
    answered = {number for number, result in enumerate(latest.results) if result.ok}
    lines = lay_out(rows, width=width, limits={1: width // 2 - 4}, brief=answered)
    for line, result in zip(lines, latest.results, strict=True):
        yield line if result.ok else paint(line, Tone.BAD)
    if latest.measured_quality is not None:
        window = say_duration(max(snapshot.world.plan.link.quality.window, latest.measured_quality.seconds))
        yield from wrap(f"over {window}: {describe_quality(latest.measured_quality)}", width=width, indent=INDENT)
    if usage := _tell_usage(snapshot):
        yield from wrap(usage, width=width, indent=INDENT)


def _tell_usage(snapshot: Snapshot) -> str | None:
    """``probe traffic: 8.1 MB a day; metered connection``; None: it is not known yet."""
    usage = snapshot.round.usage if snapshot.round else None
    daily = usage.bytes_per_day if usage else None
    metered = "metered connection" if is_metered(snapshot.world) else None
    told = None if daily is None else f"probe traffic: {daily / 1e6:.2g} MB a day"
    return "; ".join(filter(None, (told, metered))) or None


def _probe_row(result: ProbeResult, snapshot: Snapshot) -> tuple[str, str, str]:
    if not result.ok:
        return "FAILED", result.name, result.reason or "no answer"
    age = 0.0 if result.at is None else snapshot.now - result.at
    return (
        "ok",
        result.name,
        ", ".join(filter(None, (_tell_answer(result), f"{say_duration(age)} ago" if age >= OLD else ""))),
    )


def _tell_answer(result: ProbeResult) -> str:
    latency = "" if result.latency_ms is None else f"{result.latency_ms:.1f} ms"
    return latency if result.proxy is None else f"{latency} via proxy {result.proxy}".strip()


def _outage(snapshot: Snapshot, width: int, zone: tzinfo | None) -> Iterator[str]:
    outage = snapshot.world.outage
    if outage is not None:
        yield from wrap(_tell_outage(outage, now=_now(snapshot), zone=zone), width=width, indent=INDENT, first="")


def _tell_outage(outage: Outage, *, now: Timestamp, zone: tzinfo | None) -> str:
    started = say_date_and_time(outage.started.wall, zone=zone)
    kind = "Requested recovery" if outage.by_operator else "Outage"
    what = f"{kind} {outage.id} since {started}"
    if outage.ended is not None:
        what = f"Last {kind.lower()}: {outage.id}, {started}, lasted {_span(outage, outage.ended)}"
    elif outage.back is not None and not outage.by_operator:
        what += f", link back after {_span(outage, outage.back)}"
    else:
        what += f", {_span(outage, now)} ago"
    relapses = f", {count_of(outage.relapses, 'relapse')}" if outage.relapses else ""
    detail = f": {outage.detail}" if outage.detail else ""
    monitoring_gap = (
        f", monitoring gap of {say_duration(outage.monitoring_gap)} not counted" if outage.monitoring_gap >= 1 else ""
    )
    return f"{what}{monitoring_gap}{relapses}: {outage.cause}{detail}"


def _span(outage: Outage, end: Timestamp) -> str:
    """Steady time: a clock that was set makes no outage longer or shorter."""
    return say_duration(max(0.0, end.steady - outage.started.steady))


def _services(snapshot: Snapshot, width: int, paint: Paint, zone: tzinfo | None) -> Iterator[str]:
    services = [service for _, service in snapshot.services()]
    if not services:
        yield "No services configured; only the link is monitored"
        return
    ready = len(_names_in(snapshot, ServiceState.READY))
    known = "Services" if snapshot.running and snapshot.silent_for is None else "Services (last known)"
    yield f"{known}, {ready} of {len(services)} ready"
    head, *lines = _service_lines(services, snapshot, width, zone)
    yield paint(head, Tone.QUIET)
    for line, service in zip(lines, services, strict=True):
        yield paint(line, SERVICE_TONES[ServiceState(service.state)])


def _service_lines(services: list[Service], snapshot: Snapshot, width: int, zone: tzinfo | None) -> Iterator[str]:
    limit = snapshot.world.plan.recovery.max_restart_attempts
    rows = [("NAME", "STATE", "TRIES", "REASON")]
    for service in services:
        rows.append((service.name, service.state, f"{service.attempts}/{limit}", _reason(service, snapshot.now, zone)))
    ready = {number for number, service in enumerate(services, start=1) if service.state == ServiceState.READY}
    return lay_out(rows, width=width, limits={0: width // 4 + 3}, brief=ready)


def _reason(service: Service, now: float, zone: tzinfo | None) -> str:
    """What comes next comes first: it is what one wants to know of a service that waits."""
    if service.next is None:
        return service.reason
    what = "retry" if service.state == ServiceState.BACKOFF else "next check"
    left = service.next.wall - now
    when = f"in {say_duration(left)} ({say_time(service.next.wall, zone=zone)})" if left >= 1 else "now"
    return f"{what} {when}: {service.reason}"


def _open_things(snapshot: Snapshot, width: int, zone: tzinfo | None) -> Iterator[str]:
    records = list(_tell_open_things(snapshot, zone))
    if records:
        yield "In progress"
        yield from _listed(records, width)


def _tell_open_things(snapshot: Snapshot, zone: tzinfo | None) -> Iterator[str]:
    hold = snapshot.world.timers.get("hold")
    if hold is not None:
        yield f"the link must stay good for {say_duration(hold.wall - snapshot.now)} more before the first restart"
    link = snapshot.world.link
    if link.damped_until is not None:
        end = say_date_and_time(link.damped_until.wall, zone=zone)
        failures = count_failures(link, _now(snapshot))
        yield f"restarts of available services are held back until {end}: the link is flapping, {failures}"
    for _, service in snapshot.services():
        intent = service.intent
        if intent is not None:
            age = say_duration(snapshot.now - intent.made.wall)
            answer = "outcome unknown, reading the cluster back" if intent.in_doubt else "no answer yet"
            yield f"{service.name}: restart requested {age} ago, {answer}"


def _now(snapshot: Snapshot) -> Timestamp:
    """This instant on both clocks, as far as the newest thing that is known of tells."""
    newest = snapshot.round.at if snapshot.round is not None else snapshot.world.link.since
    return newest.plus(max(0.0, snapshot.now - newest.wall))


def _advice(snapshot: Snapshot, width: int) -> Iterator[str]:
    records = list(list_remedies(snapshot))
    if records:
        yield "What to do"
        yield from _listed(records, width)


def list_remedies(snapshot: Snapshot) -> Iterator[str]:
    """What a person can do now, one sentence each."""
    if not snapshot.running:
        yield "connmon-agent start: nothing is monitored or restarted until an agent runs"
    elif snapshot.silent_for is not None:
        yield "connmon-agent doctor: the agent is running but does not respond"
    yield from _advise_unheard(snapshot)
    if snapshot.world.paused:
        yield "connmon-agent resume: allows restarts again"
    if _is_damped(snapshot):
        yield "connmon-agent recover: restarts now, without waiting for the link to stop flapping"
    if lost := _names_in(snapshot, ServiceState.GAVE_UP):
        yield f"connmon-agent rearm {' '.join(lost)}: resets the restart attempts; fix the cause first"
    yield from _advise_spent(snapshot)
    if snapshot.running and snapshot.world.link.state == LinkState.OFFLINE:
        yield "nothing for the services: they are restarted when the link is back and stays good"


def _advise_unheard(snapshot: Snapshot) -> Iterator[str]:
    """A target that never answered does not count, so that nothing else would show it."""
    if snapshot.watched and snapshot.round is not None:
        unheard = [result.name for result in find_unheard(snapshot.round.results, snapshot.world.link.heard)]
        if unheard:
            yield (
                f"correct link.targets: no expected answer since the agent started from {', '.join(unheard)} "
                "(not counted)"
            )


def _advise_spent(snapshot: Snapshot) -> Iterator[str]:
    """What is ready and has no attempts left looks well, and the next outage will not restart it."""
    recovery = snapshot.world.plan.recovery
    limit = recovery.max_restart_attempts
    spent = [
        service.name
        for _, service in snapshot.services()
        if service.state == ServiceState.READY and service.attempts >= limit
    ]
    if spent:
        yield (
            f"connmon-agent rearm {' '.join(spent)}: {limit}/{limit} restarts used; they reset after "
            f"{say_duration(recovery.healthy_for)} of uninterrupted health"
        )


def _is_damped(snapshot: Snapshot) -> bool:
    """Whether there is a recovery that waits for the link to stop flapping."""
    link = snapshot.world.link
    return link.damped_until is not None and link.state == LinkState.RECOVERING


def _agent(snapshot: Snapshot, width: int, zone: tzinfo | None) -> Iterator[str]:
    yield from wrap(_tell_agent(snapshot, zone), width=width, indent=INDENT, first="")
    if snapshot.unverified is not None:
        told = (
            f"Kubernetes API: the certificate of {snapshot.unverified} is not verified (insecure-skip-tls-verify: true)"
        )
        yield from wrap(told, width=width, indent=INDENT, first="")
    errors = snapshot.internal_errors
    if errors is not None:
        ago = say_duration(snapshot.now - errors.at.wall)
        told = (
            f"Internal errors since start: {errors.count}; last {ago} ago in {errors.task}: {errors.error}. "
            "Please report this with the log."
        )
        yield from wrap(told, width=width, indent=INDENT, first="")

    loss = snapshot.log_loss
    if loss is not None:
        ago = say_duration(snapshot.now - loss.at.wall)
        told = f"Log: {count_of(loss.count, 'line')} dropped since start; last {ago} ago: {loss.reason}"
        yield from wrap(told, width=width, indent=INDENT, first="")


def _monitoring_gap(snapshot: Snapshot, width: int, zone: tzinfo | None) -> Iterator[str]:
    monitoring_gap = snapshot.world.monitoring_gap
    if monitoring_gap is not None:
        since = f"{say_date_and_time(monitoring_gap.since.wall, zone=zone)} to " if monitoring_gap.known else "until "
        span = f"{since}{say_date_and_time(monitoring_gap.until.wall, zone=zone)}"
        told = f"Last monitoring gap: {span}, {monitoring_gap.cause}; counted as neither uptime nor downtime"
        yield from wrap(told, width=width, indent=INDENT, first="")


def _outbox(snapshot: Snapshot, width: int, zone: tzinfo | None) -> Iterator[str]:
    for sentence in tell_outbox(snapshot.notices, now=snapshot.now, zone=zone):
        yield from wrap(sentence, width=width, indent=INDENT, first="")


def _memory(snapshot: Snapshot, width: int) -> Iterator[str]:
    size = f"{count_of(snapshot.events, 'event')}, {snapshot.bytes / 1024:.0f} KiB"
    yield from wrap(f"State file: {size}, {snapshot.path}", width=width, indent=INDENT, first="")


def _tell_agent(snapshot: Snapshot, zone: tzinfo | None) -> str:
    agent = snapshot.agent
    if snapshot.running:
        pid = f"pid {snapshot.pid}" if snapshot.pid else "pid not known yet"
        if agent is None or snapshot.fresh:
            return f"Agent: starting ({pid})"
        return f"Agent: running for {say_duration(snapshot.now - agent.started.wall)} ({pid}, version {agent.version})"
    if agent is None:
        return "Agent: has never run here"
    if agent.stopped is not None:
        return f"Agent: not running; it shut down cleanly on {say_date_and_time(agent.stopped.wall, zone=zone)}"
    last = say_date_and_time(agent.heartbeat.wall, zone=zone)
    return f"Agent: not running; it was killed or the machine went down. Last heartbeat: {last}"


def _listed(records: Iterable[str], width: int) -> Iterator[str]:
    for record in records:
        yield from wrap(record, width=width, indent=INDENT + INDENT, first=INDENT)
