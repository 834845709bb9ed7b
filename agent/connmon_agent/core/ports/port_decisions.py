"""What the events of local ports do before and besides their chart: who gets which port, and what a check means."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from ..draft import Draft, ForwardContext, Trigger
from ..events import ForwardChecked, ListenAnswered, PortsSeen
from ..plan import ForwardPlan
from ..steps import Resolution
from ..world import Forward
from .assignments import assign_ports, plans_of
from .port_refusals import forget_refusals, note_taken

Fire = Callable[[Draft, Trigger, ForwardContext], None]


class PortDecisions:
    """The engine's part for local ports. ``fire`` works one trigger of their chart off, in a context."""

    def __init__(self, fire: Fire) -> None:
        self._fire = fire

    def on_start(self, draft: Draft) -> None:
        """A socket dies with its process: what was listened on is not any more. What was refused is tried anew."""
        forget_refusals(draft)
        for name in plans_of(draft.world):
            draft.fire("forward", name, "agent_started")

    def on_configuration(self, draft: Draft, *, before: Mapping[str, ForwardPlan]) -> None:
        """Take over the ports of the new plan. One that is no longer the service's, or is bound elsewhere, is left."""
        forget_refusals(draft)  # who configures anew wants to see at once what comes of it
        known, plans = draft.world.forwards, plans_of(draft.world)
        for name in (name for name in before if name in known and name not in plans):
            if (intent := known[name].intent) is not None:
                reason = "the service no longer has a local port"
                draft.resolutions.append(Resolution(name, intent.token, "abandoned", reason))
        draft.change(forwards={name: known.get(name, Forward(name)) for name in plans})
        for name, plan in plans.items():
            if name in known and name in before and before[name] != plan:
                draft.fire("forward", name, "reconfigured")

    def on_ports(self, draft: Draft, event: PortsSeen) -> None:
        """Remember who holds what, and give every service the best that is left."""
        note_taken(draft, event.taken)
        self._assign(draft, busy=event.busy)

    def on_answer(self, draft: Draft, event: ListenAnswered) -> None:
        """A port that was refused is somebody's: another one is given at once."""
        forward = draft.world.forwards.get(event.service)
        if forward is None or forward.intent is None or forward.intent.token != event.token:
            return  # the answer to an order that has been settled otherwise
        trigger = "listen_opened" if event.refusal is None else "listen_refused"
        self._work(draft, trigger, ForwardContext(draft, event.service, refusal=event.refusal or ""))
        if event.refusal is not None:
            self._assign(draft, busy=None)

    def on_check(self, draft: Draft, event: ForwardChecked) -> None:
        """A port that leads to its service may be all that the service waits for."""
        forward = draft.world.forwards.get(event.service)
        if forward is None or forward.port != event.port:
            return  # it was left meanwhile
        context = ForwardContext(
            draft, event.service, began=event.began, trouble=event.trouble or "", lasting=event.lasting
        )
        self._work(draft, "check_passed" if event.trouble is None else "check_failed", context)
        if event.trouble is None:
            draft.fire("service", event.service, "port_proven")

    def _assign(self, draft: Draft, *, busy: Collection[str] | None) -> None:
        """Give every service the port that it is to have now; one that is asked for already is waited for."""
        for name, port in assign_ports(draft.world, busy=busy).items():
            forward = draft.forward(name)
            if forward.intent is not None or _is_to_be_left(draft, name, port):
                continue
            if port is not None and port != forward.port:
                self._work(draft, "assigned", ForwardContext(draft, name, assigned=port))
            elif port is None and forward.port is None:
                self._work(draft, "none_left", ForwardContext(draft, name))

    def _work(self, draft: Draft, trigger: str, context: ForwardContext) -> None:
        self._fire(draft, Trigger("forward", context.name, trigger), context)


def _is_to_be_left(draft: Draft, name: str, port: int | None) -> bool:
    """Whether ``port`` is still listened on for another service, which is about to move."""
    others = (forward for forward in draft.world.forwards.values() if forward.name != name)
    return port is not None and any(forward.port == port for forward in others)
