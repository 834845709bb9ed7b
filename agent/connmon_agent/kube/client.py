"""The only door to ``kubernetes`` and urllib3: one request, one answer, every failure a ClusterError.

Of ``kubernetes`` only the HTTP layer is used, with raw JSON: the typed APIs take 26 MiB more and three times as long
for the same list. Nothing is retried behind the caller's back: the library's default turns a timeout of 2 s into 8 s.
"""

from __future__ import annotations

import contextlib
import importlib.util
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from http.client import HTTPException
from pathlib import Path
from typing import Any, TypeVar

from .. import __version__
from ..connection_failures import explain_failure
from ..errors import ClusterError
from ..program_runner import ProgramRunner
from ..settings import KubernetesSettings
from .answers import Answer, read_answer
from .backoffs import Backoff, TooEarly
from .exchanges import Exchange, GivenUp
from .handed_files import advise_restart
from .kubeconfig import Access, Places, read_access, refuse
from .limits import MAX_BODY, too_long
from .plugins import ask_plugin
from .proxies import choose_proxy
from .requests import ApiRequest, Json
from .tls import blame_certificate, build_context, explain_tls

CONNECTIONS = 8  # kept open between requests
PLUGIN_PAUSE, LONGEST_PLUGIN_PAUSE = 1.0, 10.0  # seconds between runs of a credential plugin that fails
# Failures of the API server as a whole, or of the way to it; a server-error may be of one node or object alone.
OF_THE_SERVER = frozenset({"unreachable", "timeout", "credentials", "protocol", "unauthorized", "throttled"})
USER_AGENT = f"connmon-agent/{__version__}"

# A connection that died while idle is noticed after 30 s, one with data under way after 20 s (milliseconds there).
_KEEPALIVE = (("TCP_KEEPIDLE", 15), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3), ("TCP_USER_TIMEOUT", 20_000))


@dataclass(frozen=True, slots=True)
class _Session:
    """The library's HTTP client for one access. ``stamp`` tells when a file it was read from has changed."""

    chosen: Access  # by the kubeconfig
    certified: Access  # with what the credential plugin added
    stamp: tuple[object, ...]
    renew_at: float | None  # Unix seconds; None: the credentials do not expire
    rest: Any

    def expired(self, now: float) -> bool:
        return self.renew_at is not None and now >= self.renew_at

    def close(self) -> None:
        self.rest.pool_manager.clear()


class KubernetesClient:
    """Blocking requests, from any number of threads.

    ``temp_dir`` is a folder of our own: keys lie there for the instant in which TLS reads them. The kubeconfig is read
    at the first request, again when one of its files changed, and once more when the server refuses the credentials.
    """

    def __init__(
        self,
        settings: KubernetesSettings,
        *,
        temp_dir: Path,
        places: Places | None = None,
        now: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._temp_dir = temp_dir
        self._places = places or Places.of_this_machine()
        self._now = now
        self._lock = threading.Lock()
        self._session: _Session | None = None
        self._closed = False
        self._plugins = ProgramRunner()
        self._current = threading.local()  # .exchange: what this thread is doing
        self._backoff = Backoff(now=steady)  # of the API server
        self._plugin_backoff = Backoff(first=PLUGIN_PAUSE, longest=LONGEST_PLUGIN_PAUSE, now=steady)
        self._asked: Access | None = None  # whose plugin failed last
        self._renewals = Backoff(first=PLUGIN_PAUSE, longest=LONGEST_PLUGIN_PAUSE, now=steady)

    def request(self, request: ApiRequest, exchange: Exchange) -> Json:
        """Send one request and return the object in its answer. Raises ClusterError.

        While the API server fails, some requests are not sent: those that only read. See ``Backoff``.
        """
        session = self._ready()
        if request.method == "GET":
            self._backoff.admit()
        try:
            answer = self._request(session, request, exchange)
        except ClusterError as error:
            advise_restart(error, self._places.environment)
            if error.kind in OF_THE_SERVER:
                self._backoff.fail(error)
            elif error.kind != "server-error":
                self._backoff.succeed()
            raise
        self._backoff.succeed()
        self._renewals.succeed()
        return answer

    def _request(self, session: _Session, request: ApiRequest, exchange: Exchange) -> Json:
        try:
            return self._send(session, request, exchange)
        except ClusterError as error:
            if error.kind not in ("unauthorized", "credentials"):
                raise
            if not self._renew(session) or error.delivered is not False:
                raise
        return self._send(self._ready(), request, exchange)

    def describe(self) -> str:
        """Which API is used and what says so: "https://10.0.0.1:6443 (context k3s of ...)". Raises ClusterError."""
        access = self._ready().certified
        return f"{access.server} ({access.origin})"

    def access(self, *, refused: Access | None = None) -> Access:
        """The access in force, with what a credential plugin added: for streams, which this client cannot hold.

        ``refused`` is the one that the server has just refused: where it is still in force, the credentials are read
        once more. The same again means that there are no others. Raises ClusterError.
        """
        session = self._ready()
        if session.certified == refused:
            self._renew(session)
            session = self._ready()
        return session.certified

    @property
    def server(self) -> str:
        """The API's URL as far as it is known already, for messages. Never waits."""
        session = self._session
        return "the Kubernetes API" if session is None else session.certified.server

    def close(self) -> None:
        """Close every idle connection; those in use end with their request. Never waits.

        A credential plugin that runs is ended, with all that it started; the thread that waits for it closes the rest.
        """
        self._closed = True
        self._plugins.end()
        self._let_go()

    def _let_go(self) -> None:
        """Close what is open, unless a thread just reads credentials: that one does it then."""
        if self._lock.acquire(blocking=False):
            try:
                session, self._session = self._session, None
            finally:
                self._lock.release()
            if session is not None:
                session.close()

    def _ready(self) -> _Session:
        """The session for the files as they are now."""
        try:
            return self._find_session()
        finally:
            if self._closed:
                self._let_go()

    def _find_session(self) -> _Session:
        with self._lock:
            if self._closed:
                raise ClusterError("unreachable", "the connection to the Kubernetes API was closed", delivered=False)
            if self._session is None:
                self._session = self._open()
            elif self._session.expired(self._now()) or _stamp(self._session.chosen) != self._session.stamp:
                self._session = self._reopen(self._session)
            return self._session

    def _renew(self, refused: _Session) -> bool:
        """Read the credentials once more; False: they are the ones that were refused."""
        with self._lock:
            if self._session is refused:
                with contextlib.suppress(TooEarly):
                    self._renewals.admit()
                    error = refuse(f"{refused.certified.server} rejected the credentials of {refused.certified.origin}")
                    self._renewals.fail(error)  # until a request succeeds
                    self._session = self._reopen(refused)
            return self._session is not None and self._session.certified != refused.certified

    def _reopen(self, old: _Session) -> _Session:
        """A new session where one can be had: a kubeconfig that is just being written is no reason to stop."""
        try:
            new = self._open()
        except ClusterError:
            if old.expired(self._now()):
                raise
            return old
        old.close()
        return new

    def _open(self) -> _Session:
        chosen = self._read()
        stamp = _stamp(chosen)
        if self._read() != chosen:
            stamp = ()  # it changed while it was read: the next request reads it again
        certified, renew_at = self._certify(chosen)
        rest = _build_rest(certified, self._places.environment, temp_dir=self._temp_dir, current=self._current)
        return _Session(chosen, certified, stamp, renew_at, rest)

    def _certify(self, chosen: Access) -> tuple[Access, float | None]:
        """``chosen`` with what its plugin adds, and when to ask again. A failure is remembered for a while."""
        if chosen == self._asked:
            self._plugin_backoff.admit()
        self._asked = chosen
        try:
            certified, renew_at = ask_plugin(chosen, runner=self._plugins)
        except ClusterError as error:
            self._plugin_backoff.fail(error)
            raise
        self._plugin_backoff.succeed()
        self._backoff.succeed()  # of another server, or for somebody else
        # What has expired already is used: the clocks may differ. But the plugin is not run for every request.
        return certified, None if renew_at is None else max(renew_at, self._now() + LONGEST_PLUGIN_PAUSE)

    def _read(self) -> Access:
        return read_access(self._settings.kubeconfig, self._settings.context, self._places)

    def _send(self, session: _Session, request: ApiRequest, exchange: Exchange) -> Json:
        self._current.exchange = exchange
        server, timeout = session.certified.server, (self._settings.connect_timeout, self._settings.read_timeout)
        try:
            if exchange.given_up:
                raise GivenUp
            answer = _exchange(session, request, timeout)
        except Exception as error:
            failure = _explain_failure(error, server=server, timeout=timeout, exchange=exchange)
            if failure is None:
                raise
            raise blame_certificate(failure, session.certified.certificate, self._now()) from error
        finally:
            exchange.end()
        return read_answer(answer, request, server=server)


def _exchange(session: _Session, request: ApiRequest, timeout: tuple[float, float]) -> Answer:
    headers = {"Accept": "*/*" if request.text else "application/json", "User-Agent": USER_AGENT}
    if session.certified.authorization:
        headers["Authorization"] = session.certified.authorization
    if request.body is not None:
        headers["Content-Type"] = request.content_type
    url = session.certified.server + request.target
    raw = session.rest.request(request.method, url, headers, request.body, _request_timeout=timeout).response
    try:
        body = raw.read(MAX_BODY + 1)
        if len(body) > MAX_BODY:
            raise too_long(f"{session.certified.server} sent an answer to {request.path}", MAX_BODY)
        return Answer(raw.status, {name.lower(): value for name, value in raw.headers.items()}, body)
    except BaseException:
        raw.close()
        raise
    finally:
        raw.release_conn()


def _explain_failure(
    error: Exception, *, server: str, timeout: tuple[float, float], exchange: Exchange
) -> ClusterError | None:
    """What went wrong instead of an answer, in words; None: it is no failure of the exchange, but a mistake of ours."""
    from urllib3 import exceptions as failures  # loaded with the library, which only a request needs

    delivered = None if exchange.sent else False

    def failed(kind: str, message: str, hint: str | None = None) -> ClusterError:
        return ClusterError(kind, f"{server} {message}", delivered=delivered, hint=hint)

    if isinstance(error, ClusterError):
        return error
    if exchange.given_up or isinstance(error, GivenUp):
        return failed("timeout", "did not complete its answer in time")
    if tls := _find_cause(error, ssl.SSLError):
        return failed(*explain_tls(tls))
    if unresolved := _find_cause(error, socket.gaierror):
        words = f"cannot be reached: {explain_failure(unresolved).words}"
        return failed("unreachable", words, "Check the name server")
    refused = isinstance(error, failures.NewConnectionError)  # for urllib3 that is a kind of timeout, too
    if isinstance(error, failures.ConnectTimeoutError) and not refused:
        return failed(
            "timeout", f"did not accept a connection within {timeout[0]:g} s", "Check that the machine is reachable"
        )
    if isinstance(error, failures.ReadTimeoutError) or _find_cause(error, TimeoutError):
        return failed(
            "timeout",
            f"did not answer within {timeout[1]:g} s",
            "Check whether the API server is overloaded or stopped",
        )
    if broken := _find_cause(error, OSError):
        return _explain_os_error(broken, failed, sent=exchange.sent)
    if isinstance(error, failures.IncompleteRead) or _find_cause(error, failures.IncompleteRead):
        return failed("unreachable", "closed the connection in the middle of its answer")
    if isinstance(error, failures.LocationValueError | ValueError):
        return refuse(
            f"the request to {server} is invalid: {error}", "Correct the server or the token in the kubeconfig"
        )
    if isinstance(error, failures.HTTPError | HTTPException):
        return failed("protocol", f"did not answer with HTTP: {error}", "Check that this address is the Kubernetes API")
    return None


_Failed = Callable[..., ClusterError]
_Cause = TypeVar("_Cause", bound=BaseException)


def _explain_os_error(error: OSError, failed: _Failed, *, sent: bool) -> ClusterError:
    if sent:
        return failed("unreachable", f"closed the connection: {explain_failure(error).words}")
    hint = "Check that the cluster is running (`minikube start`, `systemctl status k3s`)"
    return failed("unreachable", f"cannot be reached: {explain_failure(error).words}", hint)


def _find_cause(error: BaseException, sort: type[_Cause]) -> _Cause | None:
    """The first error of one sort among an error and all that it wraps."""
    waiting, seen = [error], set()
    while waiting:
        current = waiting.pop(0)
        if isinstance(current, sort):
            return current
        if id(current) not in seen:
            seen.add(id(current))
            inner = (*current.args, current.__cause__, current.__context__)
            waiting += [other for other in inner if isinstance(other, BaseException)]
    return None


def _stamp(access: Access) -> tuple[object, ...]:
    return tuple(_stamp_file(path) for path in access.files)


def _stamp_file(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def _build_rest(access: Access, environment: Mapping[str, str], *, temp_dir: Path, current: threading.local) -> Any:
    """The library's HTTP client with our TLS context, socket options and connections."""
    configuration_class, rest_class = _import_library()
    configuration = configuration_class(host=access.server, retries=False, verify_ssl=access.verify)
    proxy = choose_proxy(access, environment)
    configuration.proxy = None if proxy is None else proxy.url
    if proxy is not None and proxy.authorization is not None:  # which urllib3 does not take from a URL
        configuration.proxy_headers = {"Proxy-Authorization": proxy.authorization}
    configuration.no_proxy = None  # by our own rule the proxy is chosen already
    configuration.tls_server_name = access.server_name
    configuration.socket_options = list_socket_options()
    configuration.connection_pool_maxsize = CONNECTIONS
    try:
        rest = rest_class(configuration)
    except (ValueError, AssertionError, ImportError) as error:  # what urllib3 has for a proxy it cannot use
        raise refuse(f"the proxy {configuration.proxy} cannot be used: {error}", "Correct HTTPS_PROXY") from error
    if access.server.startswith("https:"):
        rest.pool_manager.connection_pool_kw["ssl_context"] = build_context(access, temp_dir)
    if not access.verify:
        _accept_unverified()
    rest.pool_manager.pool_classes_by_scheme = _build_pools(current)
    return rest


def _import_library() -> tuple[Any, Any]:
    """``Configuration`` and ``RESTClientObject``, without running their packages' own ``__init__``.

    Those import every part of the library, 340 modules and 20 MiB, for the convenience of a prompt. The packages are
    forgotten again, so that an ``import kubernetes`` elsewhere still gets the whole.
    """
    with ExitStack() as stack:
        for package in ("kubernetes", "kubernetes.utils"):
            stack.enter_context(_left_unrun(package))
        from kubernetes.client.configuration import Configuration  # see above: not before a request needs it
        from kubernetes.client.rest import RESTClientObject
    return Configuration, RESTClientObject


@contextmanager
def _left_unrun(package: str) -> Iterator[None]:
    """Within, ``package`` is a name under which its modules are found, and none of its own code has run."""
    spec = None if package in sys.modules else importlib.util.find_spec(package)
    if spec is not None:
        sys.modules[package] = importlib.util.module_from_spec(spec)
    try:
        yield
    finally:
        if spec is not None:
            del sys.modules[package]


def _accept_unverified() -> None:
    """The kubeconfig says so (insecure-skip-tls-verify); urllib3 would write a warning for every request."""
    import urllib3  # loaded with the library, which only a request needs

    urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)


def _build_pools(current: threading.local) -> dict[str, Any]:
    """urllib3's connection pools, with connections that tell the thread's Exchange when a request goes out."""
    # Loaded with the library, which only a request needs.
    from urllib3.connection import HTTPConnection, HTTPSConnection
    from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

    def begin(connection: Any) -> None:
        if connection.sock is None:
            connection.connect()
        current.exchange.begin(connection.sock)

    class WatchedConnection(HTTPConnection):
        def request(self, *args: Any, **options: Any) -> None:
            begin(self)
            super().request(*args, **options)

    class WatchedTLSConnection(HTTPSConnection):
        def request(self, *args: Any, **options: Any) -> None:
            begin(self)
            super().request(*args, **options)

    class WatchedPool(HTTPConnectionPool):
        ConnectionCls = WatchedConnection

    class WatchedTLSPool(HTTPSConnectionPool):
        ConnectionCls = WatchedTLSConnection

    return {"http": WatchedPool, "https": WatchedTLSPool}


@cache
def list_socket_options() -> list[tuple[int, int, int]]:
    """What a connection to the API server is set to, as for ``setsockopt``: no delay, and its death is noticed.

    What the system does not know, though Python has a name for it, is left out: one refusal would end every connection.
    """
    options = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1), (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
    for name, value in _KEEPALIVE:
        if (number := getattr(socket, name, None)) is not None:
            options.append((socket.IPPROTO_TCP, number, value))
    with socket.socket() as probe:
        return [option for option in options if _takes(probe, option)]


def _takes(probe: socket.socket, option: tuple[int, int, int]) -> bool:
    try:
        probe.setsockopt(*option)
    except OSError:
        return False
    return True
