"""`explain --json`: explanations as JSON values."""

from __future__ import annotations

from typing import Any

from ...core.world import Forward
from ...explain.explanations import (
    AttemptBudget,
    Decision,
    EventExplanation,
    LinkExplanation,
    PossibleTransition,
    ServiceExplanation,
)
from ...explain.facts import Fact
from ..wording import write_instant

SCHEMA = 1


def link_document(explanation: LinkExplanation) -> dict[str, Any]:
    """The link as JSON values."""
    link = explanation.link
    return {
        "schema": SCHEMA,
        "of": "link",
        "state": str(link.state),
        "since": write_instant(link.since),
        "reason": link.reason,
        "cause": link.cause,
        "detail": link.detail or None,
        "advice": explanation.advice or None,
        "evidence": [_fact(fact) for fact in explanation.facts],
        "rounds": explanation.rounds,
        "ways": [_way(way) for way in explanation.possible],
        "routes": [{"to": dest, "by": list(between)} for dest, between in explanation.routes],
        "holds": list(explanation.holds),
        "services": [
            {"name": one.name, "state": str(one.state), "reason": one.reason, "next_look": look}
            for one, look in explanation.services
        ],
    }


def service_document(explanation: ServiceExplanation) -> dict[str, Any]:
    """A service as JSON values."""
    service = explanation.service
    return {
        "schema": SCHEMA,
        "of": "service",
        "name": service.name,
        "state": str(service.state),
        "since": write_instant(service.since),
        "reason": service.reason,
        "budget": _budget(explanation.budget),
        "next_look": explanation.next_look,
        "holds": list(explanation.holds),
        "evidence": [_fact(fact) for fact in explanation.seen],
        "ways": [_way(way) for way in explanation.possible],
        "forward": None if explanation.forward is None else _forward(explanation.forward),
    }


def _forward(forward: Forward) -> dict[str, Any]:
    return {
        "state": str(forward.state),
        "since": write_instant(forward.since),
        "port": forward.port,
        "reason": forward.reason,
        "choice": forward.choice or None,
        "trouble": forward.trouble,
    }


def event_document(explanation: EventExplanation) -> dict[str, Any]:
    """A recorded event as JSON values."""
    return {
        "schema": SCHEMA,
        "of": "event",
        "seq": explanation.seq,
        "at": write_instant(explanation.at),
        "happened": explanation.happened,
        "verdict": explanation.verdict or None,
        "evidence": [_fact(fact) for fact in explanation.facts],
        "decisions": [_decision(decision) for decision in explanation.decisions],
        "effects": list(explanation.effects),
        "notes": list(explanation.notes),
        "refusal": explanation.refusal,
        "ways": [_way(way) for way in explanation.possible],
        "sequels": [{"seq": one.seq, "at": write_instant(one.at), "text": one.text} for one in explanation.sequels],
    }


def _fact(fact: Fact) -> dict[str, Any]:
    return {"layer": fact.layer, "ok": fact.ok, "text": fact.text}


def _way(way: PossibleTransition) -> dict[str, Any]:
    return {
        "to": way.dest,
        "trigger": way.trigger,
        "happening": way.happening,
        "when": way.when,
        "guards": [
            {
                "name": question.guard,
                "meaning": question.meaning,
                "wanted": question.wanted,
                "answer": question.answer,
                "change": question.change or None,
            }
            for question in way.questions
        ],
    }


def _decision(decision: Decision) -> dict[str, Any]:
    transition = decision.transition
    return {
        "instance": transition.instance,
        "source": transition.source,
        "dest": transition.dest,
        "reason": transition.reason,
        "trigger": transition.trigger,
        "happening": decision.happening,
        "guards": [{"name": name, "meaning": meaning, "answer": answer} for name, meaning, answer in decision.guards],
        "actions": [{"name": name, "meaning": meaning} for name, meaning in decision.actions],
        "budget": None if decision.budget is None else _budget(decision.budget),
        "penalty": decision.penalty or None,
    }


def _budget(budget: AttemptBudget) -> dict[str, Any]:
    return {"attempts": budget.attempts, "limit": budget.limit, "left": budget.left}
