"""Whether the pods that run are newer than our restart, also where somebody took the restart back.

While the pod template carries our token, the workload's own status tells: all replicas updated, no old ones. A
controller that keeps the template as it has it elsewhere (GitOps) removes the token, and the same status then speaks of
another template. If that is the one of before, only the pods themselves tell: those that were seen before the restart
are old. No clock is asked: pods and field managers are known by what was seen of them before.
"""

from __future__ import annotations

from ..draft import Draft, ServiceContext
from ..observations import Observation
from ..world import Baseline, Service

REMEDY = "configure it to ignore the annotations connmon.io/*"


def take_baseline(context: ServiceContext, seen: Observation) -> None:
    """Remember the workload as it is before the restart."""
    baseline = Baseline(seen.template, seen.pods, seen.managers)
    context.draft.change_service(context.name, before=baseline, undone="")


def note_undoing(draft: Draft, name: str, seen: Observation) -> None:
    """Notice, once, that the token of our last restart is not there any more, and who may have removed it."""
    service = draft.service(name)
    if service.before is None or service.token is None or service.intent is not None or not seen.exists:
        return
    if seen.token == service.token:
        if service.undone:
            draft.change_service(name, undone="")
    elif not service.undone:
        undone = f"{_find_author(service.before, seen)} removed the restart annotations from the pod template"
        draft.change_service(name, undone=undone)
        draft.note(name, f"{undone}; if this is a controller, {REMEDY}")


def is_replaced(service: Service, seen: Observation) -> bool | None:
    """Whether the pods that run, once the rollout is complete, are newer than the restart. None: a close look tells."""
    before = service.before
    if seen.token == service.token or before is None:
        return True
    if None not in (seen.template, before.template) and seen.template != before.template:
        return True  # a third template, whose rollout came after ours
    if not seen.close:
        return None
    return seen.pods is not None and before.pods is not None and set(seen.pods).isdisjoint(before.pods)


def explain_undoing(service: Service) -> str:
    """Why a complete rollout is no restart."""
    return f"{service.undone or 'the restart was reverted'}, and the old pods are still running; {REMEDY}"


def _find_author(before: Baseline, seen: Observation) -> str:
    """Whose field manager's entry is new since the restart; else all that could have been."""
    new = [_name(entry) for entry in seen.managers if entry not in before.managers]
    if new:
        return ", ".join(dict.fromkeys(new))
    names = ", ".join(dict.fromkeys(map(_name, seen.managers)))
    return f"another client (field managers of the object: {names})" if names else "another client"


def _name(entry: str) -> str:
    return entry.rpartition(" ")[0] or entry
