"""Which local port each service gets: decided over all of them at once. Pure.

One after another would be wrong: the first service would take the only port that the second one could have had. So it
is a matching of services with ports of the most pairs and, of those, of the least cost. It is found by successive
shortest paths, and costs are whole numbers without a limit, so that even the last tie is broken exactly.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from ..plan import ForwardPlan

Costs = Mapping[int, int]  # of one service: what each port would cost that it may have


def allocate(
    plans: Mapping[str, ForwardPlan], *, taken: Collection[int], held: Mapping[str, int]
) -> dict[str, int | None]:
    """The port of each service of ``plans``, in their order, which is the configuration's; None: there is none for it.

    ``taken`` are ports that cannot be listened on. ``held`` are those that services keep whatever else, no two the same
    one; being held outweighs being taken. Every other service gets its primary port if it can be had. The rest are
    spread over their alternatives so that the most services have a port, then so that the sum of the positions is the
    smallest, and then so that an earlier service has the earlier alternative.

    A port that is primary to a service which could use it is no alternative for another, even while that service holds
    one of its own alternatives: it is to find its primary port free when it comes back.
    """
    gone = {*taken, *held.values()}
    primaries = Counter(plan.port for plan in plans.values() if plan.port not in gone)
    choices = {name: _positions(plan, gone, primaries) for name, plan in plans.items() if name not in held}
    # A primary port that nobody shares is nobody else's choice either: no need to weigh it.
    sure = {name: plans[name].port for name in choices if primaries[plans[name].port] == 1}
    open_names = [name for name in choices if name not in sure]
    matched = dict(zip(open_names, _match(_weigh([choices[name] for name in open_names])), strict=True))
    return {name: held.get(name, sure.get(name, matched.get(name))) for name in plans}


def _positions(plan: ForwardPlan, gone: Collection[int], primaries: Collection[int]) -> dict[int, int]:
    """The ports that a service may have, each with its position in the plan, the primary one at 0."""
    positions: dict[int, int] = {}
    for position, port in enumerate(plan.candidates):
        if port not in gone and (port == plan.port or port not in primaries):
            positions.setdefault(port, position)
    return positions


def _weigh(choices: Sequence[Mapping[int, int]]) -> list[dict[int, int]]:
    """Positions as costs: the sum of all costs of an assignment is the smaller the better it is.

    A cost is a number in base ``base``: one digit a service, the earlier the more it weighs, and before them all the
    position again, for the sum. To have no port is a private port of the service, numbered -1, -2, ... by its place:
    it costs more than all positions together.
    """
    base = 2 + max((max(positions.values(), default=0) for positions in choices), default=0)
    total = base ** len(choices)
    nothing = base * len(choices) + 1
    costs = []
    for place, positions in enumerate(choices):
        digit = base ** (len(choices) - 1 - place)
        weighed = {port: position * (total + digit) for port, position in positions.items()}
        costs.append({**weighed, -1 - place: nothing * total + (base - 1) * digit})
    return costs


def _match(costs: Sequence[Costs]) -> list[int | None]:
    """The cheapest assignment, by the services' places: a port, or None where the private one is the best."""
    owners: dict[int, int] = {}  # port -> place of the service that has it
    potentials: dict[int, int] = {}  # port -> how much cheaper than its cost it has become by what others pay for it
    for place in range(len(costs)):
        _insert(place, costs, owners=owners, potentials=potentials)
    ports = {place: port for port, place in owners.items()}
    return [ports[place] if ports[place] >= 0 else None for place in range(len(costs))]


def _insert(place: int, costs: Sequence[Costs], *, owners: dict[int, int], potentials: dict[int, int]) -> None:
    """Give one more service a port, moving others where that is cheaper: along the shortest path to a free port."""
    distances: dict[int, int] = {}
    sources: dict[int, int] = {}  # port -> the service that would move to it
    done: dict[int, int] = {}
    queue: list[tuple[int, int]] = []
    mover, travelled, left = place, 0, 0
    while True:
        # Dijkstra over ports. What the mover pays now is what it saves by leaving.
        for port, cost in costs[mover].items():
            distance = travelled - left + cost - potentials.get(port, 0)
            if port not in done and (port not in distances or distance < distances[port]):
                distances[port], sources[port] = distance, mover
                heapq.heappush(queue, (distance, port))
        travelled, port = heapq.heappop(queue)
        while port in done:
            travelled, port = heapq.heappop(queue)
        if port not in owners:
            break
        done[port] = travelled
        mover = owners[port]
        left = costs[mover][port] - potentials.get(port, 0)
    for passed, distance in done.items():
        potentials[passed] = potentials.get(passed, 0) - (travelled - distance)
    _move(port, place, owners=owners, sources=sources)


def _move(port: int, place: int, *, owners: dict[int, int], sources: Mapping[int, int]) -> None:
    """Let every service on the path take the port that it was to move to, from its end back to the new service."""
    had = {owner: owned for owned, owner in owners.items()}
    while True:
        mover = sources[port]
        owners[port] = mover
        if mover == place:
            return
        port = had[mover]
