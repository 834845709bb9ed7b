"""A machine's local ports and the way to the pods behind them, simulated: the ports LocalPorts and Forwards."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from msgspec.structs import replace

from connmon_agent.core.effects import Listen
from connmon_agent.core.events import ForwardChecked, ListenAnswered
from connmon_agent.core.observations import Traffic
from connmon_agent.core.plan import ForwardPlan, Plan
from connmon_agent.core.timestamps import Timestamp

LOOK = 0.01  # seconds a look at the ports takes
CONNECT = 0.05  # seconds a connection to a pod takes


@dataclass
class FakeMachine:
    """The port LocalPorts: a machine on which ``holders`` hold ports. What only shows on asking is in ``surprises``."""

    holders: dict[int, str] = field(default_factory=dict)
    surprises: dict[int, str] = field(default_factory=dict)
    looks: list[frozenset[int]] = field(default_factory=list)  # the ports of each look

    async def examine(self, ports: Mapping[int, tuple[str, ...]]) -> Mapping[int, str]:
        self.looks.append(frozenset(ports))
        await asyncio.sleep(LOOK)
        return {port: f"in use by {self.holders[port]}" for port in ports if port in self.holders}


@dataclass
class FakeForwards:
    """The port Forwards: listeners on the machine, and pods that answer unless a service is in ``troubles``."""

    machine: FakeMachine
    listening: dict[str, int] = field(default_factory=dict)
    troubles: dict[str, str] = field(default_factory=dict)  # by service, why nobody is reached
    lasting: set[str] = field(default_factory=set)  # services whose trouble needs a person
    open: dict[str, int] = field(default_factory=dict)  # connections that are open, by service
    orders: list[Listen] = field(default_factory=list)
    checks: list[tuple[str, int]] = field(default_factory=list)
    closed: bool = False
    dead: bool = False  # the agent has been killed: its sockets are gone
    _failed: asyncio.Queue[str] = field(default_factory=asyncio.Queue)

    async def listen(self, order: Listen, at: Timestamp) -> ListenAnswered:
        if self.dead:
            await asyncio.sleep(1e6)
        self.orders.append(order)
        await asyncio.sleep(LOOK)
        refusal = self._refuse(order)
        if refusal is None:
            self.listening[order.service] = order.port
        return ListenAnswered(at, order.service, order.token, refusal)

    def _refuse(self, order: Listen) -> str | None:
        machine = self.machine
        if order.port in machine.holders:
            return f"in use by {machine.holders[order.port]}"
        others = {port for service, port in self.listening.items() if service != order.service}
        return "is in use" if order.port in others else machine.surprises.get(order.port)

    def retain(self, services: Collection[str]) -> None:
        if not self.dead:
            self.listening = {name: port for name, port in self.listening.items() if name in services}

    async def check(self, service: str, began: Timestamp) -> ForwardChecked:
        port = self.listening.get(service, 0)
        self.checks.append((service, port))
        await asyncio.sleep(CONNECT)
        trouble = self.troubles.get(service)
        return ForwardChecked(
            began, began, service, port, trouble, lasting=trouble is not None and service in self.lasting
        )

    def traffic(self) -> tuple[Traffic, ...]:
        return tuple(Traffic(name, open=self.open.get(name, 0)) for name in sorted(self.listening))

    async def worth_checking(self) -> str:
        return await self._failed.get()

    def fail_connection(self, service: str) -> None:
        """A client's connection through the service's port has just failed."""
        self._failed.put_nowait(service)

    async def close(self) -> None:
        self.closed = True
        self.listening.clear()


def with_ports(plan: Plan, **ports: tuple[int, ...]) -> Plan:
    """``plan`` with local ports for the services that are named: the primary one, then the alternatives."""
    services = [
        replace(service, forward=ForwardPlan(ports[service.name][0], ports[service.name][1:]))
        if service.name in ports
        else service
        for service in plan.services
    ]
    return replace(plan, services=tuple(services))
