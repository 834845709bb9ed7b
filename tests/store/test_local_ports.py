"""What the state file keeps of the local ports: their states, the orders to listen, and what went through."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.fakes.statefiles import opened, tampered, tick, timestamp

from connmon_agent.core.effects import Listen
from connmon_agent.core.observations import Traffic
from connmon_agent.core.steps import Resolution, Step
from connmon_agent.core.world import Forward, ForwardState, ListenIntent, World
from connmon_agent.errors import InvariantError
from connmon_agent.store.journal import SqliteJournal
from connmon_agent.store.reading import Reader

BIND = ("127.0.0.1", "::1")


def token(world: World, number: int = 1) -> str:
    return f"listen/{world.store}/{number}"


def asking(world: World, port: int = 8081, number: int = 1) -> Step:
    intent = ListenIntent(token(world, number), port, timestamp(number), "8080 is in use by nginx (pid 99)")
    after = replace(world, forwards={"web": Forward("web", intent=intent)}, listens=number)
    return Step(after, listens=(Listen("web", port, token(world, number), BIND, intent.choice),))


def having(world: World, port: int = 8081) -> Step:
    held = Forward("web", ForwardState.LISTENING, port=port, lease=port)
    settled = Resolution("web", token(world), "applied", "the port is open")
    return Step(replace(world, forwards={"web": held}), resolutions=(settled,))


def commit(journal: SqliteJournal, *steps: Step) -> None:
    for number, step in enumerate(steps, 1):
        journal.commit(tick(number), step)


def test_a_port_outlives_the_agent_and_readers_see_it(tmp_path: Path) -> None:
    path = tmp_path / "connmon.db"
    with opened(path) as journal:
        asked = asking(journal.load())
        held = having(asked.world)
        commit(journal, asked, held)
    with opened(path) as journal:
        assert journal.load() == held.world
    with Reader(path) as reader:
        assert reader.world() == held.world
        first, second = reader.recorded()
        assert (first.listens, second.resolutions) == (asked.listens, held.resolutions)


def test_an_order_to_listen_and_its_outcome_stand_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "connmon.db"
    with opened(path) as journal:
        asked = asking(journal.load())
        commit(journal, asked, having(asked.world))
    with tampered(path) as connection:
        rows = connection.execute(
            "SELECT service, port, reason, outcome, answer, seq, settled_seq FROM listen"
        ).fetchall()
    assert rows == [("web", 8081, "8080 is in use by nginx (pid 99)", "applied", "the port is open", 1, 2)]


def test_what_was_not_asked_for_cannot_be_settled(tmp_path: Path) -> None:
    with opened(tmp_path / "connmon.db") as journal, pytest.raises(InvariantError):
        journal.commit(tick(1), having(journal.load()))


def test_a_port_that_is_configured_away_leaves_the_file(tmp_path: Path) -> None:
    path = tmp_path / "connmon.db"
    with opened(path) as journal:
        asked = asking(journal.load())
        abandoned = Resolution("web", token(asked.world), "abandoned", "the service no longer has a local port")
        gone = Step(replace(asked.world, forwards={}), resolutions=(abandoned,))
        commit(journal, asked, gone)
    with opened(path) as journal:
        assert journal.load().forwards == {}


def test_the_newest_traffic_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "connmon.db"
    flows = (Traffic("web", open=1, served=7, received=10**9, error="reset", error_at=3.5), Traffic("db"))
    with opened(path) as journal:
        commit(journal, asking(journal.load()))
        journal.note_traffic(timestamp(5), (Traffic("web"),))
        journal.note_traffic(timestamp(6), flows)
    with Reader(path) as reader:
        assert reader.latest_traffic() == flows


def test_a_file_of_an_older_agent_has_no_ports_and_no_traffic(tmp_path: Path) -> None:
    path = tmp_path / "connmon.db"
    with opened(path) as journal:
        commit(journal, Step(journal.load()))
    with tampered(path) as connection:
        for table in ("forward", "listen", "latest_traffic"):
            connection.execute(f"DROP TABLE {table}")
        connection.execute("PRAGMA user_version = 3")
    with Reader(path) as reader:
        world = reader.world()
        assert world is not None and world.forwards == {}
        assert reader.latest_traffic() == ()


@pytest.mark.parametrize("name", ["\u2028", "\u2029", "\x85", "\x1c", "\n", "größe"], ids=ascii)
def test_no_text_ends_a_row_too_early(tmp_path: Path, name: str) -> None:
    """The rows are read in one statement, joined by line feeds; Unicode knows more ends of lines."""
    with opened(tmp_path / "connmon.db") as journal:
        ports = {service: Forward(service, trouble=f"a{name}b") for service in ("web", f"a{name}b")}
        step = Step(replace(journal.load(), forwards=ports))
        journal.commit(tick(1), step)
    with Reader(tmp_path / "connmon.db") as reader:
        assert reader.world() == step.world
