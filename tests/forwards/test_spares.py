from __future__ import annotations

from pathlib import Path

import pytest
from tests.forwards.places import Place, cluster, connect, echo, page, place, receive, run, send, until
from tests.forwards.test_forwarder import roll

from connmon_agent.embedded.kubernetes import EmbeddedKubernetes

WEB = ("Deployment", "default", "web")


def echoing(**options: int) -> EmbeddedKubernetes:
    api = cluster(**options)
    api.programs.run(*WEB, 8080, echo)
    return api


async def visit(here: Place) -> None:
    """One client that comes and goes."""
    client = await connect(here.port)
    await send(client, b"x")
    assert await receive(client, 1) == b"x"
    client.close()
    await until(lambda: here.traffic.open == 0)


def test_there_is_none_before_somebody_came(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with place(tmp_path, echoing()) as here:
            await visit(here)
            await until(lambda: here.opened() == 2 and here.open() == 1)

    run(scenario())


def test_the_next_client_gets_it_without_another_way_being_opened(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with place(tmp_path, echoing()) as here:
            await visit(here)
            await until(lambda: here.opened() == 2 and here.open() == 1)
            here.api.access.deny("create", "pods/portforward")
            await visit(here)
            assert here.opened() == 2

    run(scenario())


def test_one_that_is_not_fresh_must_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connmon_agent.forwards.spares.FRESH", -1.0)

    async def scenario() -> None:
        async with place(tmp_path, echoing()) as here:
            await visit(here)
            await until(lambda: here.opened() == 2 and here.open() == 1)
            here.api.access.deny("create", "pods/portforward")
            await visit(here)
            assert here.opened() == 2

    run(scenario())


def test_one_whose_pod_was_replaced_is_let_go(tmp_path: Path) -> None:
    async def scenario() -> None:
        api = cluster()
        async with place(tmp_path, api) as here:
            old = await page(here.port)
            await until(lambda: here.opened() == 2 and here.open() == 1)
            roll(api)
            await until(lambda: old not in here.pods())
            assert await page(here.port) == here.pods()[0]

    run(scenario())


def test_one_whose_pod_is_no_longer_ready_is_let_go(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with place(tmp_path, echoing()) as here:
            await visit(here)
            await until(lambda: here.opened() == 2 and here.open() == 1)
            here.api.workloads.become_unready(*WEB)
            await until(lambda: here.open() == 0)

    run(scenario())


def test_one_that_the_other_side_ended_is_not_made_again_unasked(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with place(tmp_path, echoing()) as here:
            await visit(here)
            await until(lambda: here.opened() == 2 and here.open() == 1)
            here.api.forwards.kill("default", here.pods()[0])
            await until(lambda: here.open() == 0)
            assert here.opened() == 2
            await visit(here)
            await until(lambda: here.opened() == 5 and here.open() == 2)  # two, for the client had to wait

    run(scenario())
