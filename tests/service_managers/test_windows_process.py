"""What the agent reports to Windows' service control manager, and what it does when that asks."""

from __future__ import annotations

import pytest
from tests.service_managers.windows_machines import FakeManager

from connmon_agent.errors import ConnmonError
from connmon_agent.processes import AGAIN
from connmon_agent.service_managers import windows_process
from connmon_agent.service_managers.windows_process import PATIENCE, Control, ServiceProcess, State, serve

PENDING, RUNNING, STOPPING, STOPPED = State.START_PENDING, State.RUNNING, State.STOP_PENDING, State.STOPPED


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def manager() -> FakeManager:
    return FakeManager()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def process(manager: FakeManager, clock: Clock) -> ServiceProcess:
    process = ServiceProcess(manager, now=clock)
    assert process.join()
    return process


def test_a_life(manager: FakeManager, process: ServiceProcess) -> None:
    asked: list[str] = []
    process.listen(asked.append, lambda: asked.append("reload"))
    process.tick()
    process.ready("ONLINE")
    process.tick()
    assert manager.take(Control.PARAMCHANGE) and manager.take(Control.STOP)
    process.tick()
    process.stopped(0)
    process.tick()
    assert asked == ["reload", "stop by the service control manager"]
    pending = [(PENDING, 1, 0), (PENDING, 2, 0)]
    assert manager.reports == [*pending, (RUNNING, 0, 0), (STOPPING, 1, 0), (STOPPING, 2, 0), (STOPPED, 0, 0)]


def test_an_end_by_the_agent_itself_is_pending_too(manager: FakeManager, process: ServiceProcess) -> None:
    process.ready("ONLINE")
    process.stopping()
    process.stopping()
    assert manager.reports[-2:] == [(RUNNING, 0, 0), (STOPPING, 1, 0)]


def test_a_machine_that_shuts_down_is_the_reason(manager: FakeManager, process: ServiceProcess) -> None:
    asked: list[str] = []
    process.listen(asked.append, lambda: None)
    assert manager.take(Control.PRESHUTDOWN)
    assert asked == ["the machine shuts down"]


def test_a_stop_before_anybody_listens_is_kept(manager: FakeManager, process: ServiceProcess) -> None:
    assert manager.take(Control.STOP)
    process.ready("ONLINE")
    asked: list[str] = []
    process.listen(asked.append, lambda: None)
    assert asked == ["stop by the service control manager"]
    assert manager.reports[-1] == (STOPPING, 1, 0)


def test_what_it_does_not_know_is_said_so(manager: FakeManager, process: ServiceProcess) -> None:
    assert not manager.take(2)  # SERVICE_CONTROL_PAUSE
    assert not manager.take(Control.PARAMCHANGE)  # before it can be done


def test_a_start_that_makes_progress_is_waited_for_and_one_that_hangs_is_not(
    manager: FakeManager, process: ServiceProcess, clock: Clock
) -> None:
    process.extend(10 * PATIENCE)
    clock.now = 9 * PATIENCE
    process.tick()
    assert len(manager.reports) == 2
    clock.now = 11 * PATIENCE
    process.tick()
    assert len(manager.reports) == 2


@pytest.mark.parametrize(("code", "reported"), [(0, 0), (1, 1), (2, 0), (AGAIN, AGAIN)])
def test_what_needs_a_person_is_not_started_again(
    manager: FakeManager, process: ServiceProcess, code: int, reported: int
) -> None:
    process.stopped(code)
    process.stopped(1)
    assert manager.reports[-1] == (STOPPED, 0, reported)
    assert [state for state, _, _ in manager.reports].count(STOPPED) == 1


def test_whatever_ends_the_process_is_reported(manager: FakeManager, monkeypatch: pytest.MonkeyPatch) -> None:
    for error, code in ((ConnmonError("no"), 1), (RuntimeError("a mistake"), 1), (KeyboardInterrupt(), 1)):
        manager.reports.clear()
        process = ServiceProcess(manager)
        monkeypatch.setattr(windows_process, "_connect", lambda name, process=process: process)
        with pytest.raises(type(error)), serve("connmon-agent"):
            raise error
        assert manager.reports[-1] == (STOPPED, 0, code) and manager.closed


def test_a_start_by_hand_is_refused() -> None:
    assert not ServiceProcess(FakeManager(starts=False)).join()
