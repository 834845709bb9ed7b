"""The world after very many rounds: what rounds alike do to a link of the same state is decided once by the core.

Most rounds change nothing, or counters alone. The core decides such a round from the link's counters and from how each
target answered, so that its answer is kept as an edge between two nodes, as in a lazily built finite automaton. Each
round that decides anything else is decided by the core itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from msgspec.structs import replace

from ..core.demands import round_interval
from ..core.engine import Engine
from ..core.events import Event, RoundFinished
from ..core.link.round_counts import only_counts
from ..core.observations import ProbeResult
from ..core.steps import Step
from ..core.timestamps import Timestamp
from ..core.world import Link, LinkState, World

# The states in which a round rests on the link alone. In RECOVERING it may end the recovery, which rests on services.
_LINK_ALONE = frozenset({LinkState.STARTING, LinkState.ONLINE, LinkState.DEGRADED, LinkState.OFFLINE})
# Instants and what rounds never ask: kept beside the node.
_BESIDE = (
    "since",
    "first_failure",
    "answered_since",
    "evidence_since",
    "penalty",
    "penalized",
    "damped_until",
    "falls",
)
_KEY = tuple(name for name in Link.__struct_fields__ if name not in (*_BESIDE, "doubts"))


class Standing(NamedTuple):
    """How far the verdict on the link is. ``wanted``: seconds between the starts of two rounds."""

    state: str
    good: int
    bad: int
    wanted: float


class _Node:
    """One state of the link as rounds see it. ``edges``: by the pattern of a round; ``fixed``: those that change
    nothing.
    """

    __slots__ = ("edges", "fixed", "link", "standing")

    def __init__(self, link: Link) -> None:
        self.link = link
        self.standing: Standing | None = None  # where it rests on the link alone
        self.edges: dict[int, _Edge | None] = {}
        self.fixed: set[int] = set()


_Edge = tuple[_Node, bool, bool]  # the next node; whether the first failure, and a new answer, are of this round


class Follower:
    """A world that is stepped by ``engine``. ``take_round`` equals the core's own step, only faster."""

    def __init__(self, world: World, engine: Engine) -> None:
        self._engine = engine
        self._nodes: dict[Any, _Node] = {}
        self._world = world
        self._node: _Node | None = None
        self._moved = False  # the node is ahead of the world
        self._failed: Timestamp | None = None
        self._answered: Timestamp | None = None

    @property
    def world(self) -> World:
        """The world as it is now."""
        if self._moved and self._node is not None:
            link, now = self._world.link, self._node.link
            kept = {name: getattr(link, name) for name in _BESIDE}
            kept |= {"first_failure": self._failed, "answered_since": self._answered}
            self._world = replace(self._world, link=replace(now, **kept))
            self._moved = False
        return self._world

    @property
    def state(self) -> str:
        """The link's, as ``world`` has it."""
        return self._world.link.state if self._node is None else self._node.link.state

    def standing(self, now: float) -> Standing:
        """How far the verdict is, and the pace of rounds, ``now`` (steady seconds)."""
        node = self._node
        if node is None or node.link.state == LinkState.OFFLINE:
            return _stand(self.world, now)
        if node.standing is None:
            node.standing = _stand(self.world, now)
        return node.standing

    def put(self, world: World) -> None:
        """Go on from ``world``."""
        if world.plan is not self._world.plan and world.plan != self._world.plan:
            self._nodes.clear()
        self._world, self._node, self._moved = world, None, False

    def use(self, engine: Engine) -> None:
        """Decide by other charts from now on."""
        self.put(self.world)
        self._engine = engine
        self._nodes.clear()

    def step(self, event: Event) -> Step:
        """The core's step of any event; the world goes on with it."""
        step = self._engine.step(self.world, event)
        self.put(step.world)
        return step

    def is_fixed(self, patterns: frozenset[int]) -> bool:
        """Whether rounds of these patterns, however many, are known to change nothing now."""
        return self._node is not None and patterns <= self._node.fixed

    def take_round(self, at: Timestamp, results: Sequence[ProbeResult], pattern: int) -> tuple[World, Step] | None:
        """Take one round; the world before it and the step where it decides something, None where it changes counters
        at most.

        Rounds of the same ``pattern`` have the same results, but for latencies.
        """
        node = self._node or self._find_node()
        if node is not None:
            edge = node.edges.get(pattern)
            if edge is not None:
                self._follow(edge, at)
                return None
        world = self.world
        step = self._engine.step(world, RoundFinished(at, tuple(results)))
        if not step.changes(world):
            if node is not None:
                node.edges[pattern] = (node, False, False)
                node.fixed.add(pattern)
            return None
        if not only_counts(world, step):
            self.put(step.world)
            return world, step
        self._world, self._node = step.world, None
        if node is not None:
            self._learn(node, pattern, world.link, step.world.link, at)
        return None

    def _follow(self, edge: _Edge, at: Timestamp) -> None:
        node, failed, answered = edge
        if node is self._node and not failed and not answered:
            return
        if not self._moved:
            self._failed, self._answered = self._world.link.first_failure, self._world.link.answered_since
        self._failed = at if failed else self._failed
        self._answered = at if answered else self._answered
        self._node, self._moved = node, True

    def _learn(self, node: _Node, pattern: int, before: Link, after: Link, at: Timestamp) -> None:
        target = self._find_node()
        failed, answered = (
            getattr(after, name) != getattr(before, name) for name in ("first_failure", "answered_since")
        )
        told = (not failed or after.first_failure == at) and (not answered or after.answered_since == at)
        if target is not None and told:
            node.edges[pattern] = (target, failed, answered)

    def _find_node(self) -> _Node | None:
        """The node of the world as it is; None: a round then rests on more than the link and its results."""
        link = self._world.link
        if link.state not in _LINK_ALONE or link.booted is not None or link.lacks:
            return None
        if link.evidence.hard or link.evidence.dark is not None:
            return None  # what contradicts it rests on when it came
        key = (tuple(getattr(link, name) for name in _KEY), tuple(sorted(link.doubts.items())))
        self._node = self._nodes.get(key)
        if self._node is None:
            self._node = self._nodes[key] = _Node(link)
        return self._node


def _stand(world: World, now: float) -> Standing:
    link = world.link
    return Standing(link.state, link.good, link.bad, round_interval(world, now))
