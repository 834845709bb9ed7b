"""The account of the installed service, on Windows: whether it can read what the agent needs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from ..kube.kubeconfig import Places
from ..service_managers.interface import NAME
from ..service_managers.planning import list_access_files, list_program_files
from ..service_managers.windows_accounts import explain_unreadable, list_unreadable
from ..settings import BUILT_IN, Settings
from .findings import Finding, good, warning

ABOUT = "service account"


def examine_account(
    settings: Settings,
    *,
    find_service: Callable[[], tuple[str, str] | None] | None = None,
    list_closed: Callable[[str, Iterable[Path]], list[Path]] = list_unreadable,
) -> Iterator[Finding]:
    """One finding where a service of Windows is installed with the configuration of ``settings``, else none.

    ``find_service`` gives the command line and the account of the service (None: there is none).
    """
    found = (find_service or _find_service)()
    if found is None or settings.source == BUILT_IN:
        return
    command, account = found
    config = Path(settings.source).absolute()
    if str(config).lower() not in command.lower():  # it is another site's
        return
    closed = list_closed(account, [*list_program_files(), config, *list_access_files(settings, _places())])
    if closed:
        text, remedy = explain_unreadable(account, closed)
        yield warning(ABOUT, text, remedy)
    else:
        yield good(ABOUT, f"{account}: can read the configuration, the kubeconfig and connmon-agent")


def _places() -> Places:
    return Places.of_this_machine()


def _find_service() -> tuple[str, str] | None:
    if sys.platform == "win32":
        from ..windows_api.services import query_configuration  # Windows alone has it

        try:
            found = query_configuration(NAME)
        except OSError:  # who may not look at it will hear it from the next `service` command
            return None
        return None if found is None else found[:2]
    return None
