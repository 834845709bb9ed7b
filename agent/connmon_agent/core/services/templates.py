"""Whose pod template it is that runs: by what this agent has seen itself, and never by a clock.

Times in the cluster are those of other machines, and a machine that was cut off is often the one whose clock is wrong.
So a template is known by its digest: as it was when the link came back, and as our last restart made it.
"""

from __future__ import annotations

from ..draft import Draft
from ..observations import Observation
from ..world import Service

ABSENT = ""  # the digest of what is not there


def is_ours(service: Service, seen: Observation) -> bool:
    """Whether the pod template is the one that our last restart made. Others may change it and keep our token."""
    if seen.token is None or seen.token != service.token:
        return False
    return seen.template is None or service.made is None or seen.template == service.made


def is_changed_since_return(service: Service, seen: Observation) -> bool:
    """Whether its pod template was changed since the link came back, as far as this agent has seen it."""
    return seen.template is not None and service.returned is not None and seen.template != service.returned


def note_template(draft: Draft, name: str, seen: Observation) -> None:
    """Remember the pod template as it is seen now, and as it was when the link came back.

    A change between the last look before that and the first one after it may have come without a link, and then the
    service is restarted: it may be stuck, however well it looks. One that is still being rolled out has the link.
    """
    found = seen.template if seen.exists else ABSENT
    if found is None:
        return
    service, outage = draft.service(name), draft.outage
    if outage is not None and outage.back is not None and outage.ended is None and service.returned is None:
        known = service.template if seen.rolling else None
        draft.change_service(name, returned=known or found)
    if service.template != found:
        draft.change_service(name, template=found)


def is_return_unobserved(service: Service) -> bool:
    """Whether it has yet to be looked at since the link came back."""
    return service.returned is None


def forget_template(draft: Draft, name: str) -> None:
    """The link came back: what was seen before is compared with nothing."""
    if draft.service(name).returned is not None:
        draft.change_service(name, returned=None)
