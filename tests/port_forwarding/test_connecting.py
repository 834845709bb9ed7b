from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
from tests.port_forwarding.places import destination, run

from connmon_agent.errors import ClusterError
from connmon_agent.kube.backends import Backend, Backends
from connmon_agent.port_forwarding.connecting import Connector, Gate
from connmon_agent.port_forwarding.resolver import NoConnection, Resolver
from connmon_agent.port_forwarding.transports import Transports

POD = Backend(8080, "web", "uid")
OTHER = Backend(8080, "web-2", "uid-2")
REFUSAL = ClusterError("unreachable", "the pod web accepts no connection on port 8080")


class OnePod:
    """The Service has POD, and nothing changes."""

    def find(self) -> Backends:
        return Backends((POD,))

    def nudge(self) -> None:
        pass

    async def changed(self) -> None:
        await asyncio.Event().wait()


class Silent:
    """No try is ever answered."""

    async def open(self, *_: Any, **__: Any) -> None:
        await asyncio.Event().wait()


def connector() -> Connector:
    return Connector(
        destination(), cast("Resolver", OnePod()), cast("Transports", Silent()), Gate(), noted=lambda reason: None
    )


async def fail(one: Connector) -> str:
    with pytest.raises(NoConnection) as caught:
        await one.connect(asyncio.get_running_loop().time() + 0.3)
    return str(caught.value)


def test_a_silent_pod_did_not_answer_in_time() -> None:
    async def scenario() -> None:
        assert await fail(connector()) == "web did not answer in time"

    run(scenario())


def test_what_a_pod_said_before_is_told_where_it_is_silent_now() -> None:
    async def scenario() -> None:
        one = connector()
        one.shun(POD, REFUSAL)
        assert await fail(one) == str(REFUSAL)

    run(scenario())


def test_what_it_said_before_it_answered_a_client_is_not() -> None:
    async def scenario() -> None:
        one = connector()
        one.shun(POD, REFUSAL)
        one.trust(POD)
        assert await fail(one) == "web did not answer in time"

    run(scenario())


def test_what_another_pod_said_that_is_gone_is_not() -> None:
    async def scenario() -> None:
        one = connector()
        one.shun(OTHER, REFUSAL)
        assert await fail(one) == "web did not answer in time"

    run(scenario())
