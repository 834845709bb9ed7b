"""The journal told: sentences in order, a restart as one story, the gaps in the agent's own life."""

from msgspec.structs import replace
from tests.fakes.mornings import at, journal_of_an_outage, moved, recorded, started

from connmon_agent.cli.rendering.stories import tell
from connmon_agent.core.events import AgentStopped, MonitoringGapEnded, Order, Ordered
from connmon_agent.core.steps import Resolution, Transition
from connmon_agent.store.records import Recorded


def told(*rows: Recorded) -> list[str]:
    """The sentences, those of a story after a dash."""
    lines: list[str] = []
    for entry in tell(rows):
        lines += [entry.line.record, *(f"- {chapter.record}" for chapter in entry.chapters)]
    return lines


def test_an_outage_reads_as_a_story() -> None:
    assert told(*journal_of_an_outage()) == [
        "link ONLINE -> DEGRADED: bad round: tcp 192.0.2.1:443: no answer within 1 s",
        "link DEGRADED -> OFFLINE: 3 bad rounds in a row: tcp 192.0.2.1:443: no answer within 1 s",
        "link OFFLINE -> RECOVERING: 3 good rounds in a row; the link must stay good for 10 s",
        "frontend and grafana are waiting: queued for a restart",
        "frontend is restarting, attempt 1 of 3: restart due after the outage",
        "- restart accepted; the rollout must complete within 5 min",
        "- ready after 28 s: restarted, 3 of 3 available",
        "agent: not running for 18 s by its clock; it was killed; the machine rebooted, so the length of the gap is "
        "not known",
        "agent: started, version 0.1.0 (pid 99)",
        "grafana gave up: 3/3 restarts used: CrashLoopBackOff",
        "link RECOVERING -> ONLINE: recovery complete: 1/2 services ready; gave up: grafana",
    ]


def test_stories_of_services_restarted_at_once_stay_apart() -> None:
    assert told(
        recorded(1, 0, moved("a", "WAITING", "RESTARTING", "attempt 1 of 3: cut off")),
        recorded(2, 1, moved("b", "WAITING", "RESTARTING", "attempt 1 of 3: cut off")),
        recorded(3, 2, moved("a", "RESTARTING", "VERIFYING", "the cluster accepted the restart")),
        recorded(4, 3, moved("b", "RESTARTING", "VERIFYING", "the cluster accepted the restart")),
        recorded(5, 4, moved("b", "VERIFYING", "VERIFYING", "1 of 3 available")),
        recorded(6, 5, moved("a", "VERIFYING", "BACKOFF", "attempt 1 of 3 did not help: ImagePullBackOff")),
        recorded(7, 6, moved("b", "VERIFYING", "READY", "restarted, 3 of 3 available")),
        recorded(8, 9, moved("a", "BACKOFF", "WAITING", "the backoff elapsed")),
        recorded(9, 9, moved("a", "WAITING", "RESTARTING", "attempt 2 of 3: ImagePullBackOff")),
        recorded(10, 10, moved("a", "RESTARTING", "GAVE_UP", "attempt 3 of 3 was refused: forbidden")),
    ) == [
        "a is restarting, attempt 1 of 3: cut off",
        "- the cluster accepted the restart",
        "- backing off: attempt 1 of 3 did not help: ImagePullBackOff",
        "b is restarting, attempt 1 of 3: cut off",
        "- the cluster accepted the restart",
        "- 1 of 3 available",
        "- ready after 5 s: restarted, 3 of 3 available",
        "a is waiting: the backoff elapsed",
        "a is restarting, attempt 2 of 3: ImagePullBackOff",
        "- gave up: attempt 3 of 3 was refused: forbidden",
    ]


def test_restarts_in_doubt_stay_in_their_stories() -> None:
    doubt = "the agent is shutting down before the restart was answered, reading the cluster back"
    assert told(
        recorded(1, 0, moved("a", "WAITING", "RESTARTING", "attempt 1 of 3: cut off")),
        recorded(2, 0, moved("b", "WAITING", "RESTARTING", "attempt 1 of 3: cut off")),
        recorded(3, 1, moved("a", "RESTARTING", "RESTARTING", doubt), moved("b", "RESTARTING", "RESTARTING", doubt)),
    ) == [
        "a is restarting, attempt 1 of 3: cut off",
        f"- {doubt}",
        "b is restarting, attempt 1 of 3: cut off",
        f"- {doubt}",
    ]  # fmt: skip


def test_a_story_whose_beginning_is_not_shown_is_told_from_where_it_is() -> None:
    assert told(
        recorded(1, 0, moved("a", "RESTARTING", "VERIFYING", "the cluster accepted the restart")),
        recorded(2, 7, moved("a", "VERIFYING", "READY", "3 of 3 available")),
    ) == ["a is rolling out: the cluster accepted the restart", "- ready after 7 s: 3 of 3 available"]


def test_an_end_in_order_tells_how_long_nobody_watched() -> None:
    stopped = recorded(1, 0, event=AgentStopped(at(0), "SIGTERM"), notes=(("agent", "stopped: SIGTERM"),))
    assert told(stopped, recorded(2, 192, event=started(192))) == [
        "agent: stopped: SIGTERM",
        "agent: not running for 3 min 12 s",
    ]


def test_a_heartbeat_tells_exactly_how_long_nobody_watched() -> None:
    assert told(recorded(1, 0), recorded(2, 192, event=replace(started(192), heartbeat=at(182)))) == [
        "agent: not running for 10 s; it was killed",
    ]


def test_a_blind_time_is_a_line_of_its_own() -> None:
    slept = MonitoringGapEnded(at(7200), at(0), "the machine slept for 2 h")
    note = ("agent", "monitoring gap: the machine slept for 2 h")
    assert told(recorded(1, 7200, event=slept, notes=(note,))) == ["agent: monitoring gap: the machine slept for 2 h"]


def test_the_blink_of_a_restart_is_no_gap() -> None:
    assert told(recorded(1, 0), recorded(2, 0.4, event=started(0.4))) == []


def test_an_order_names_who_gave_it() -> None:
    order = Ordered(at(0), Order.PAUSE, (), "root (pid 7)")
    assert told(recorded(1, 0, event=order, notes=(("agent", "pause requested by root (pid 7)"),))) == [
        "pause requested by root (pid 7)"
    ]


def test_notes_about_a_service_name_it() -> None:
    assert told(recorded(1, 0, notes=(("kafka", "postponed"),))) == ["kafka: postponed"]


def test_an_intent_that_ends_without_a_transition_is_told() -> None:
    gone = Resolution("kafka", "k7-3-1-1", "abandoned", "the service is no longer configured")
    assert told(recorded(1, 0, resolutions=(gone,))) == [
        "kafka: restart abandoned: the service is no longer configured"
    ]


def test_many_services_are_counted() -> None:
    waiting = [moved(f"s{number}", "READY", "WAITING", "queued for a restart") for number in range(100)]
    assert told(recorded(1, 0, *waiting)) == ["s0, s1, s2 and 97 more are waiting: queued for a restart"]


def port(name: str, source: str, dest: str, reason: str) -> Transition:
    return replace(moved(name, source, dest, reason), chart="forward")


def test_what_happens_to_a_port_does_not_break_into_the_story_of_a_restart() -> None:
    taken = "port 8081 reaches the service; 8080 is in use by nginx (pid 99)"
    settled = Resolution("a", "listen/k7/1", "applied", "the port is open")
    assert told(
        recorded(1, 0, resolutions=(settled,)),
        recorded(2, 0, moved("a", "WAITING", "RESTARTING", "attempt 1 of 3: cut off")),
        recorded(3, 1, moved("a", "RESTARTING", "VERIFYING", "the cluster accepted the restart")),
        recorded(4, 2, port("a", "OPEN", "LISTENING", "port 8081 does not reach the service: refused")),
        recorded(
            5,
            4,
            port("a", "LISTENING", "OPEN", taken),
            moved("a", "VERIFYING", "READY", "reachable through local port"),
        ),
    ) == [
        "a is restarting, attempt 1 of 3: cut off",
        "- the cluster accepted the restart",
        "- ready after 4 s: reachable through local port",
        "a, local port: port 8081 does not reach the service: refused",
        f"a, local port: {taken}",
    ]


def test_ports_of_which_the_same_is_to_be_told_are_told_together() -> None:
    ended = [port(name, "OPEN", "CLOSED", "the agent is shutting down") for name in ("a", "b")]
    assert told(recorded(1, 0, *ended)) == ["a and b, local port: the agent is shutting down"]
