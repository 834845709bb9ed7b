"""The vocabulary of statecharts/forward.yaml: what its guards ask, what its actions do, what its reasons may tell."""

from __future__ import annotations

from collections.abc import Callable

from ...charts.vocabulary import OWN_SOCKET, Action, Guard, Vocabulary
from ..draft import ForwardContext
from ..effects import LISTEN_TOKEN, Listen
from ..steps import Resolution
from ..wording import tell_obstacle
from ..world import ListenIntent
from .assignments import explain_choice, explain_conflict
from .port_refusals import forget_refusals, note_refusal
from .reach import is_reachable, is_tried_in_vain


def _answer_awaited(context: ForwardContext) -> bool:
    return context.forward.intent is not None


def _proof_wanted(context: ForwardContext) -> bool:
    return not is_reachable(context.draft.world, context.name)


GUARDS: tuple[Guard[ForwardContext], ...] = (
    Guard("answer_awaited", "a port is requested, and not open or refused yet", _answer_awaited),
    Guard("proof_wanted", "no check has passed since the service or the link changed", _proof_wanted),
)


def _request_port(context: ForwardContext) -> None:
    """Open the intent. It charges nothing: a socket of one's own harms nobody, and dies with its process."""
    draft, port = context.draft, context.assigned
    assert port is not None
    plan, number = draft.plan.service(context.name).forward, draft.world.listens + 1
    assert plan is not None
    token = f"{LISTEN_TOKEN}{draft.world.store}/{number}"
    choice = explain_choice(draft.world, context.name, port)
    draft.change(listens=number)
    draft.change_forward(context.name, intent=ListenIntent(token, port, draft.at, choice))
    draft.listens.append(Listen(context.name, port, token, plan.bind, choice))


def _take_port(context: ForwardContext) -> None:
    intent = _settle(context, "applied", "the port is open")
    _forget_checks(context)
    forget_refusals(context.draft, [intent.port])
    context.draft.change_forward(context.name, port=intent.port, lease=intent.port, choice=intent.choice)


def _drop_request(context: ForwardContext) -> None:
    """Whoever holds the port is remembered, so that the next choice is another one."""
    intent = _settle(context, "refused", context.refusal)
    note_refusal(context.draft, intent.port, context.refusal)


def _leave_port(context: ForwardContext) -> None:
    if context.forward.intent is not None:
        _settle(context, "abandoned", "no longer needed")
    _forget_checks(context)
    context.draft.change_forward(context.name, port=None, choice="")


def _settle(context: ForwardContext, outcome: str, reason: str) -> ListenIntent:
    intent = context.forward.intent
    assert intent is not None
    context.draft.resolutions.append(Resolution(context.name, intent.token, outcome, reason))
    context.draft.change_forward(context.name, intent=None)
    return intent


def _forget_checks(context: ForwardContext) -> None:
    context.draft.change_forward(context.name, proven=None, trouble=None, troubled=None, lasting=False)


def _note_proof(context: ForwardContext) -> None:
    _forget_checks(context)
    context.draft.change_forward(context.name, proven=context.began)


def _note_trouble(context: ForwardContext) -> None:
    """When it was found is noted anew only where something waits for that: the next look at it is no news."""
    if not is_tried_in_vain(context.draft.world, context.name):
        context.draft.change_forward(context.name, troubled=context.began)
    context.draft.change_forward(context.name, trouble=context.trouble, lasting=context.lasting)


ACTIONS: tuple[Action[ForwardContext], ...] = (
    Action("request_port", "request the assigned port", _request_port, effect=OWN_SOCKET),
    Action("take_port", "settle the request as applied; this is its port now", _take_port),
    Action("drop_request", "settle the request as refused; remember what uses the port", _drop_request),
    Action("leave_port", "release the port and cancel any request", _leave_port),
    Action("note_proof", "record the check that passed", _note_proof),
    Action("note_trouble", "record what the check found wrong", _note_trouble),
)


def _because(context: ForwardContext) -> str:
    intent = context.forward.intent
    choice = context.forward.choice if intent is None else intent.choice
    return f"; {choice}" if choice else ""


def _port(context: ForwardContext) -> str:
    """The port that it is about: the one that is asked for, else the one that it has."""
    intent = context.forward.intent
    return str(context.forward.port if intent is None else intent.port)


def _assigned(context: ForwardContext) -> str:
    if context.assigned is None:
        return ""
    choice = explain_choice(context.draft.world, context.name, context.assigned)
    return f"{context.assigned}: {choice}" if choice else str(context.assigned)


FIELDS: dict[str, Callable[[ForwardContext], str]] = {
    "port": _port,
    "before": lambda context: str(context.forward.port),
    "because": _because,
    "assigned": _assigned,
    "conflict": lambda context: explain_conflict(context.draft.world, context.name),
    "refusal": lambda context: tell_obstacle(int(_port(context)), context.refusal),
    "trouble": lambda context: context.trouble,
}

VOCABULARY: Vocabulary[ForwardContext] = Vocabulary(
    guards={guard.name: guard for guard in GUARDS},
    actions={action.name: action for action in ACTIONS},
    fields=frozenset(FIELDS),
)
