"""The text of the units of the page: a socket that listens, and a service that systemd starts when it is connected to.

The service has no network of its own: what it may use is the socket that it is handed, so that it can connect nowhere.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..kube.handed_files import name_credential
from ..seals import seal
from ..settings import WebSettings
from .interface import NAME, Installation
from .sandboxes import USER_SANDBOX, Needs, write_sandbox
from .systemd_units import STATE, escape, list_user, quote_words

PAGE = f"{NAME}-web"
SOCKET, SERVICE = f"{PAGE}.socket", f"{PAGE}.service"
IDLE = "5m"  # without a connection, until the service ends

TASKS = 64
_NEEDS = Needs(processes="pid", families="AF_UNIX", files=1024, tasks=TASKS, memory="256M")


def write_socket(listen: tuple[str, int]) -> str:
    """The socket unit."""
    address, port = listen
    where = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    return seal(
        f"[Unit]\nDescription=Page of connmon-agent\n\n[Socket]\nListenStream={where}\n\n"
        "[Install]\nWantedBy=sockets.target\n"
    )


def write_page_service(installation: Installation, web: WebSettings) -> str:
    """The service unit."""
    return seal("\n".join([*_service(installation, web), ""]))


def _service(installation: Installation, web: WebSettings) -> Iterator[str]:
    yield "[Unit]"
    yield "Description=Page of connmon-agent"
    yield f"Requires={SOCKET}"
    yield f"After={SOCKET}"
    yield ""
    yield "[Service]"
    yield "Type=exec"
    yield f"ExecStart={_command(installation, web)}"
    yield f"# It ends after {IDLE} without a connection, and the next one starts it again."
    yield "TimeoutStopSec=5"
    if installation.user:
        yield USER_SANDBOX.format(tasks=TASKS)
        return
    if web.token_file is not None:
        yield f"LoadCredential={name_credential(web.token_file)}:{escape(str(web.token_file))}"
    yield from list_user(installation)
    yield "CapabilityBoundingSet="
    yield "AmbientCapabilities="
    yield "PrivateNetwork=yes"
    yield write_sandbox(_NEEDS)


def _command(installation: Installation, web: WebSettings) -> str:
    """All that it needs is on the command line: to read the configuration would take memory and time."""
    options = ["--idle-timeout", IDLE]
    for name in web.allowed_hosts:
        options += ["--allowed-host", name]
    words = quote_words(installation.command)
    if installation.user:
        if web.token_file is not None:
            options += ["--token-file", str(web.token_file)]
        return f"{words} {quote_words(['--config', str(installation.config)])} web {quote_words(options)}"
    command = f"{words} --state-dir {STATE} web {quote_words(options)}"
    if web.token_file is None:
        return command
    return f"{command} --token-file ${{CREDENTIALS_DIRECTORY}}/{name_credential(web.token_file)}"
