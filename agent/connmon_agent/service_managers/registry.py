"""Which platform has which service managers: a form is one line here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from ..errors import ConnmonError
from .cron import Cron
from .interface import Host, ServiceManager
from .launchd import Launchd
from .scheduled_tasks import ScheduledTasks
from .systemd import Systemd
from .windows_services import WindowsServices


class _Form(Protocol):
    name: str

    def __call__(self, host: Host) -> ServiceManager: ...

    def runs_on(self, host: Host) -> bool: ...


# By the platform (``sys.platform``), the one to prefer first.
FORMS: Mapping[str, tuple[_Form, ...]] = {
    "linux": (Systemd, Cron),
    "darwin": (Launchd,),
    "win32": (WindowsServices, ScheduledTasks),
}
BY_HAND = "Run `connmon-agent start --mode background` from this machine's startup scripts"


def choose_manager(platform: str, host: Host, name: str | None = None, *, absent: bool = False) -> ServiceManager:
    """The service manager of the platform called ``name``; None: the first one that runs here.

    ``absent`` True: where none runs, the platform's preferred one, to show what it would be given.

    Raises ConnmonError where this platform has none of that name, none that runs, or none at all.
    """
    forms = FORMS.get(platform, ())
    if not forms:
        raise ConnmonError(f"installing a service is not supported on {platform}", hint=BY_HAND)
    if name is not None:
        for form in forms:
            if form.name == name:
                return form(host)
        names = ", ".join(form.name for form in forms)
        raise ConnmonError(f"this platform has no service manager {name}", hint=f"Choose one of: {names}")
    for form in forms:
        if form.runs_on(host):
            return form(host)
    if absent:
        return forms[0](host)
    names = " nor ".join(form.name for form in forms)
    raise ConnmonError(f"neither {names} is running on this machine", hint=BY_HAND)
