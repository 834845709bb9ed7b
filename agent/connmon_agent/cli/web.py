"""``connmon-agent web``: the live page, served from the state file by a process of its own."""

from __future__ import annotations

import errno
import os
import socket
import sys
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import ConnmonError
from .invocations import Invocation

if TYPE_CHECKING:
    from ..settings import WebSettings
    from ..web.serving import Page


def _read_place(ctx: click.Context, parameter: click.Parameter, text: str | None) -> tuple[str, int] | None:
    """``127.0.0.1:9181``, ``[::1]:9181``, ``localhost:9181``, or a port alone."""
    if text is None:
        return None
    host, colon, port = text.rpartition(":")
    host = (host.removeprefix("[").removesuffix("]") if colon else "") or "127.0.0.1"
    try:
        address = str(ip_address("127.0.0.1" if host == "localhost" else host))
        number = int(port) if port.isascii() and port.isdecimal() else -1
    except ValueError:
        address, number = "", -1
    if not 0 <= number <= 65535:
        raise click.BadParameter(f"{text!r} is no IP address and port, such as 127.0.0.1:9181 or [::1]:9181")
    return address, number


def _read_duration(ctx: click.Context, parameter: click.Parameter, text: str | None) -> float | None:
    if text is None:
        return None
    from ..loading.durations import parse_duration  # not for --help

    try:
        seconds = parse_duration(text)
    except ValueError:
        seconds = 0.0
    if seconds <= 0:
        raise click.BadParameter(f"{text!r} is no duration, such as 90s, 5m or 1h")
    return seconds


@click.command(short_help="Serve the live page.")
@click.option(
    "--listen",
    metavar="ADDRESS:PORT",
    callback=_read_place,
    help="Where to serve it; port 0 takes a free one.  [default: web.listen in the configuration, 127.0.0.1:9181]",
)
@click.option(
    "--idle-timeout",
    metavar="DURATION",
    callback=_read_duration,
    help="End after this time without a connection, as the installed service does after 5m.  [default: never]",
)
@click.option(
    "--token-file",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Whoever has the token in it can pause, resume, recover and rearm.  [default: web.token_file]",
)
@click.option(
    "--allowed-host",
    "allowed_hosts",
    metavar="NAME",
    multiple=True,
    help="A name by which browsers may ask for it; repeatable.  [default: web.allowed_hosts]",
)
@click.pass_obj
def web(
    invocation: Invocation,
    listen: tuple[str, int] | None,
    idle_timeout: float | None,
    token_file: Path | None,
    allowed_hosts: tuple[str, ...],
) -> None:
    """Serve a page that shows the state, the timeline and every decision, live. Ctrl-C ends it.

    It reads the state file only, in a process of its own; no running agent is needed. The first line is its address.
    """
    _leave_out("ssl", "_hashlib")
    from ..runtime.loops import run  # not for --help
    from ..settings import WebSettings
    from ..web.order_desk import read_token

    settings = _find_settings(invocation)
    settings = WebSettings(
        listen or settings.listen, token_file or settings.token_file, allowed_hosts or settings.allowed_hosts
    )
    sockets = _take_sockets()
    place = _place_of(sockets[0]) if sockets else settings.listen
    if place is None:
        raise ConnmonError("web.listen is null", hint="Name an address and a port with --listen")
    if settings.token_file is not None:
        read_token(settings.token_file)
    for warning in warn_of_listening(place[0], settings):
        click.echo(f"Warning: {warning}", err=True)
    run(_serve(invocation, settings, place, sockets, idle_timeout))


def _leave_out(*modules: str) -> None:
    """Have the standard library do without these, as on systems that lack them. TLS is not spoken here, and OpenSSL
    would be a sixth of the memory of this process; Python has its own SHA-256.
    """
    for name in modules:
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]


def _find_settings(invocation: Invocation) -> WebSettings:
    """What the configuration says of the page. A copy of a state file is looked at without any."""
    from ..settings import WebSettings  # not for --help

    if invocation.config_path is None and invocation.state_dir is not None:
        return WebSettings()
    return invocation.settings().web


def warn_of_listening(address: str, settings: WebSettings) -> list[str]:
    """What a person should know of a page that other machines can reach."""
    if ip_address(address.partition("%")[0]).is_loopback:
        return []
    where = f"the page on {address} can be reached from other machines, without a password or encryption"
    found = [f"{where}. Put it behind a reverse proxy that asks for one, or listen on 127.0.0.1"]
    if not settings.allowed_hosts and ip_address(address.partition("%")[0]).is_unspecified:
        found.append("web.allowed_hosts is empty: browsers must use an IP address, every name is refused")
    if settings.token_file is not None:
        found.append("the token of web.token_file goes over the network in clear text unless a proxy encrypts it")
    return found


def _place_of(listening: socket.socket) -> tuple[str, int]:
    address, port = listening.getsockname()[:2]
    return str(address), int(port)


def _take_sockets() -> list[socket.socket]:
    """The listening sockets that systemd hands over; none: it started nothing here."""
    if sys.platform == "win32":
        return []
    from ..service_managers.descriptor_store import take_descriptors  # not for --help

    found = [socket.socket(fileno=number) for _, number in take_descriptors(os.environ, os.getpid())]
    for one in found:
        os.set_inheritable(one.fileno(), False)
    return found


async def _serve(
    invocation: Invocation,
    settings: WebSettings,
    place: tuple[str, int],
    sockets: list[socket.socket],
    idle_timeout: float | None,
) -> None:
    import asyncio  # not for --help

    from ..runtime.signals import listen_to_signals  # not for --help
    from ..supervision import Tasks, cancel, supervise
    from ..web.hosts import Hosts
    from ..web.serving import Page
    from .web_orders import AgentOrders
    from .web_views import FileViews

    database = invocation.database()
    orders = None if settings.token_file is None else AgentOrders(database.parent)
    page = Page(
        database,
        FileViews(database, orders=orders is not None),
        Hosts(place[0], settings.allowed_hosts),
        report=_report,
        orders=orders,
        token_file=settings.token_file,
    )
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: _report(context.get("exception")))
    ended = asyncio.Event()
    tasks: Tasks = set()
    listen_to_signals(lambda reason: ended.set(), lambda: None)
    try:
        _announce(place[0], _listen(page, place, sockets))
        waiting = [supervise("await the end", ended.wait, tasks=tasks, again=False)]
        if idle_timeout is not None:
            idle = partial(page.wait_until_idle, idle_timeout)
            waiting.append(supervise("wait until no client is connected", idle, tasks=tasks, again=False))
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await cancel(tasks)
        await page.close()


def _listen(page: Page, place: tuple[str, int], sockets: list[socket.socket]) -> int:
    if sockets:
        ports = [page.serve(one) for one in sockets]
        return ports[0]
    try:
        return page.listen(*place)
    except OSError as error:
        raise _explain(error, place) from error


def _explain(error: OSError, place: tuple[str, int]) -> ConnmonError:
    # not for --help
    from ..loading.defaults import join_address
    from ..sockets.owners import choose_owner, describe, find_owners

    where = join_address(*place)
    if error.errno != errno.EADDRINUSE:
        return ConnmonError(
            f"the page cannot be served on {where}: {error.strerror or error}",
            hint="Choose an address of this machine and a free port with --listen",
        )
    holder = describe(choose_owner(find_owners([place[1]]).get(place[1], ()), place[0]))
    return ConnmonError(
        f"the page cannot be served on {where}: in use by {holder}",
        hint="Stop it, or choose another port with --listen or web.listen",
    )


def _announce(address: str, port: int) -> None:
    from ..loading.defaults import join_address  # not for --help

    shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)
    click.echo(f"http://{join_address(shown, port)}/")
    sys.stdout.flush()


def _report(error: BaseException | None) -> None:
    click.echo(f"connmon-agent web: internal error: {error!r}. Please report it", err=True)
