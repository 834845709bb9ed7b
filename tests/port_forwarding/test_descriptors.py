"""Room for clients, and for all else that the agent has open beside them."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.port_forwarding.places import AT as NOW
from tests.port_forwarding.places import cluster, connect, echo, free_port, order, place, receive, run, send

from connmon_agent.port_forwarding.descriptors import RESERVED, Places, count_clients


@pytest.mark.parametrize(
    ("limit", "clients"), [(1024, 384), (4096, 1920), (65536, 32640), (256, 64), (64, 16), (2, 1), (0, 1)]
)
def test_how_many_clients_a_limit_has_room_for(limit: int, clients: int) -> None:
    assert count_clients(limit) == clients


@given(st.integers(1, 400), st.integers(1, 30), st.lists(st.tuples(st.integers(0, 29), st.booleans()), max_size=300))
def test_however_clients_come_and_go(total: int, ports: int, moves: list[tuple[int, bool]]) -> None:
    """Never more than there is room for, and each port has its share."""
    places = Places(total)
    for port in range(ports):
        places.join(str(port))
    taken = [0] * ports
    for number, comes in moves:
        port = number % ports
        if comes and places.has_room(str(port)):
            places.take(str(port))
            taken[port] += 1
        elif not comes and taken[port]:
            places.leave(str(port))
            taken[port] -= 1
        assert sum(taken) <= total
    for port in range(ports):
        assert taken[port] >= total // (2 * ports) or places.has_room(str(port))


def test_whoever_waits_for_room_gets_it_when_somebody_leaves() -> None:
    async def scenario() -> None:
        places = Places(1)
        places.join("web")
        places.take("web")
        waiting = asyncio.create_task(places.await_room("web", 60.0))
        await asyncio.sleep(0)
        assert not waiting.done()
        places.leave("web")
        assert await waiting
        places.take("web")
        assert not await places.await_room("web", 0.0)

    run(scenario())


def test_idle_clients_of_one_port_leave_room_for_another_one_and_for_the_agent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connmon_agent.port_forwarding.forwarder.raise_limit", lambda: 8)

    async def scenario() -> None:
        api = cluster()
        api.programs.run("Deployment", "default", "web", 8080, echo)
        async with place(tmp_path, api, backend_wait=1.0, names=("web", "other")) as here:
            other = free_port()
            assert (await here.forwarder.listen(order(other, service="other"), NOW)).refusal is None
            idle = []
            with contextlib.suppress(ConnectionResetError):  # some are refused before they see that they are connected
                while len(idle) < 30:
                    idle.append(await connect(here.port))
                await receive(idle[-1], 1)
                pytest.fail("the last client was let in")
            assert sum(flow.open for flow in here.forwarder.traffic()) <= 8
            client = await connect(other)
            await send(client, b"x")
            assert await receive(client, 1) == b"x"
            for one in (*idle, client):
                one.close()
            assert any("too many open connections" in text for _, text in here.said)

    run(scenario())


def test_the_reserve_is_enough_for_all_else() -> None:
    pool, tries, requests, probes = 8 * 10, 32, 8, 40  # of ten ports; at once; of requests; of a round
    assert pool + tries + requests + probes < RESERVED
