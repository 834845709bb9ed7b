from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.port_forwarding.places import AT, SOON, Place, cluster, echo, page, place, run, until

from connmon_agent.core.events import ForwardChecked
from connmon_lab.kubernetes import EmbeddedKubernetes

pytestmark = pytest.mark.usefixtures("either_way")
WEB = ("Deployment", "default", "web")


async def check(here: Place) -> ForwardChecked:
    return await here.forwarder.check("web", AT)


def answering(answer: bytes) -> EmbeddedKubernetes:
    async def program(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)

    api = cluster()
    api.programs.run(*WEB, 8080, program)
    return api


@pytest.mark.parametrize("path", [None, "/"])
def test_a_port_whose_end_is_reached(tmp_path: Path, path: str | None) -> None:
    async def scenario() -> None:
        async with place(tmp_path, cluster(), check=path) as here:
            assert await check(here) == ForwardChecked(AT, AT, "web", here.port)

    run(scenario())


def test_it_is_no_traffic_and_makes_no_spare(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with place(tmp_path, cluster()) as here:
            await check(here)
            traffic = here.traffic
            assert (traffic.open, traffic.served, traffic.received) == (0, 0, 0)
            assert here.opened() == 1
            await until(lambda: here.open() == 0)

    run(scenario())


def test_a_pod_that_speaks_first_is_reached(tmp_path: Path) -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 ready\r\n")
        await reader.read()

    async def scenario() -> None:
        api = cluster()
        api.programs.run(*WEB, 8080, greet)
        async with place(tmp_path, api) as here:
            assert (await check(here)).trouble is None

    run(scenario())


def test_a_pod_that_refuses(tmp_path: Path) -> None:
    async def scenario() -> None:
        api = cluster()
        api.programs.refuse(*WEB, 8080)
        async with place(tmp_path, api) as here:
            checked = await check(here)
            assert "accepts no connection on port 8080" in (checked.trouble or "")
            assert not checked.lasting

    run(scenario())


@pytest.mark.parametrize(
    ("answer", "trouble"),
    [
        (b"HTTP/1.1 399 Fine\r\n\r\n", None),
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", "GET /health was answered with 503"),
        (b"220 ready\r\n", "GET /health was not answered with HTTP"),
        (b"", "GET /health was not answered"),
    ],
)
def test_http_is_judged_by_its_status(tmp_path: Path, answer: bytes, trouble: str | None) -> None:
    async def scenario() -> None:
        async with place(tmp_path, answering(answer), check="/health") as here:
            assert (await check(here)).trouble == trouble

    run(scenario())


@pytest.mark.parametrize(
    ("fields", "trouble"),
    [
        ({"service": "wbe"}, "no Service wbe; the Services are: web (namespace default)"),
        ({"target": "9"}, "the Service web has no port 9; it has: http (80) (namespace default)"),
    ],
)
def test_what_waiting_does_not_mend_is_lasting(tmp_path: Path, fields: dict[str, Any], trouble: str) -> None:
    async def scenario() -> None:
        async with place(tmp_path, cluster(), **fields) as here:
            checked = await check(here)
            assert (checked.trouble, checked.lasting) == (trouble, True)

    run(scenario())


@pytest.mark.parametrize(("verb", "resource"), [("list", "pods"), ("create", "pods/portforward")])
def test_a_permission_that_is_missing_is_lasting(tmp_path: Path, verb: str, resource: str) -> None:
    async def scenario() -> None:
        api = cluster()
        api.access.deny(verb, resource)
        async with place(tmp_path, api, backend_wait=SOON) as here:
            checked = await check(here)
            assert checked.lasting
            assert "Grant" in (checked.trouble or "")

    run(scenario())


def test_no_pod_is_not_lasting(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with place(tmp_path, cluster(replicas=0), backend_wait=SOON) as here:
            checked = await check(here)
            assert (checked.trouble, checked.lasting) == ("no pod matches the selector of the Service web", False)

    run(scenario())


def test_a_service_without_a_port(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with place(tmp_path, cluster(), listening=False) as here:
            assert (await check(here)).trouble == "no listener on its port"

    run(scenario())


def test_it_takes_no_spare_from_a_client(tmp_path: Path) -> None:
    async def scenario() -> None:
        api = cluster()
        api.programs.run(*WEB, 8080, echo)
        async with place(tmp_path, api) as here:
            client = asyncio.create_task(page(here.port))
            await until(lambda: here.open() == 2)
            await check(here)
            await until(lambda: here.open() == 2)
            assert here.opened() == 3
            client.cancel()

    run(scenario())
