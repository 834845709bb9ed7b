"""The nodes' images: one request for all who want to know them at about the same time."""

from __future__ import annotations

import asyncio

import pytest
from tests.fakes.virtual_time import run_virtually

from connmon_agent.errors import ClusterError
from connmon_agent.kube.node_images import KEPT, NodeImages


def test_who_asks_at_once_or_soon_after_is_answered_by_one_request() -> None:
    asked = 0

    async def ask() -> frozenset[str]:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0.5)
        return frozenset({str(asked)})

    async def story() -> None:
        nodes = NodeImages(ask)
        assert set(await asyncio.gather(*(nodes.images() for _ in range(40)))) == {frozenset({"1"})}
        await asyncio.sleep(KEPT - 1)
        assert await nodes.images() == {"1"}
        await asyncio.sleep(1)
        assert await nodes.images() == {"2"}

    run_virtually(story())


def test_a_failure_is_raised_and_not_remembered() -> None:
    answers = [ClusterError("timeout", "no answer"), None]

    async def ask() -> frozenset[str] | None:
        answer = answers.pop(0)
        if answer is not None:
            raise answer
        return None

    async def story() -> None:
        nodes = NodeImages(ask)
        with pytest.raises(ClusterError):
            await nodes.images()
        assert await nodes.images() is None
        assert await nodes.images() is None  # what the role withholds is remembered too

    run_virtually(story())
