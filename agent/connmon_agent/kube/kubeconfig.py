"""The kubeconfig: where it lies, what it says, and the access it gives.

Everything is read into one value, certificates and keys by content: two readings can be compared, and no file has to
stay where it was. (``kubernetes.config`` is not used: it costs 14 MiB for sign-in methods that Kubernetes itself
dropped, waits for a credential plugin for ever, and goes on without credentials when the plugin fails.)
Format: https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/
"""

from __future__ import annotations

import base64
import codecs
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from ..errors import ClusterError
from ..files import read_file as read_bounded
from .handed_files import find_handed
from .kubeconfig_types import SHAPES, describe, find_misfit

REPAIR = "Repair the kubeconfig; `kubectl config view` reads the same file"
MAX_BYTES = 4_000_000  # of a kubeconfig, a token or a certificate; a context with certificates has 10 kB
IN_CLUSTER_HINT = "Set kubernetes.kubeconfig in the configuration, or KUBECONFIG"
NO_SOCKS = "Use an HTTP proxy (http://host:port); SOCKS proxies are not supported"
PLUGIN_EXTENSION = "client.authentication.k8s.io/exec"
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class Places:
    """Where credentials may lie on this machine."""

    environment: Mapping[str, str]
    home: Path
    k3s: Path = Path("/etc/rancher/k3s/k3s.yaml")
    service_account: Path = Path("/var/run/secrets/kubernetes.io/serviceaccount")

    @classmethod
    def of_this_machine(cls) -> Places:
        """The places of the running process's user."""
        return cls(os.environ, Path(os.path.expanduser("~")))

    def at(self, path: Path) -> Path:
        """Where to read the file ``path``: where the service manager handed over a copy of it, else there."""
        return find_handed(path, self.environment)

    def has(self, path: Path) -> bool:
        """Whether the file is there, or a copy of it. Raises OSError."""
        return self.at(path).exists()


@dataclass(frozen=True, slots=True)
class Access:
    """How to reach one Kubernetes API, and as whom. Certificates and keys are PEM.

    ``authority`` None: the system's certificate authorities; ``authorization`` is the HTTP header (None: none);
    ``plugin`` is the credential plugin still to be asked (None: there is none); ``files`` are all files it was read
    from.
    """

    origin: str  # in words: "context lab of /root/.kube/config"
    server: str
    authority: str | None = None
    verify: bool = True
    server_name: str | None = None
    proxy: str | None = None
    certificate: str | None = None
    key: str | None = field(default=None, repr=False)
    authorization: str | None = field(default=None, repr=False)
    plugin: Mapping[str, Any] | None = field(default=None, repr=False)
    plugin_config: Any = field(default=None, repr=False)  # what the cluster's entry holds for plugins; None: nothing
    base: Path = Path()  # the folder of the file that names the user; relative paths start there
    files: tuple[Path, ...] = field(default=(), compare=False)


def refuse(message: str, hint: str | None = None) -> ClusterError:
    """The error of a kubeconfig that cannot be used: nothing was sent."""
    return ClusterError("credentials", message, delivered=False, hint=hint)


def read_access(kubeconfig: Path | None, context: str | None, places: Places) -> Access:
    """The access that the configuration's ``kubeconfig`` and ``context`` choose. Raises ClusterError (credentials)."""
    try:
        paths = find_kubeconfigs(kubeconfig, places)
        return _Merged(paths, places).choose(context) if paths else _read_service_account(places)
    except OSError as error:  # a folder that may not be entered, a disk that fails
        raise refuse(f"{error.filename}: {error.strerror or error}", IN_CLUSTER_HINT) from error


def find_kubeconfigs(kubeconfig: Path | None, places: Places) -> tuple[Path, ...]:
    """The files to read, in kubectl's order with k3s' own after them; empty: use the pod's service account.

    Raises ClusterError (credentials) where a file that was asked for is not there, or nothing is found at all.
    """
    if kubeconfig is not None:
        kubeconfig = kubeconfig.expanduser()
        if not places.has(kubeconfig):
            raise refuse(f"the kubeconfig {kubeconfig} does not exist", "Correct kubernetes.kubeconfig")
        return (kubeconfig,)
    named = [Path(part) for part in places.environment.get("KUBECONFIG", "").split(os.pathsep) if part]
    if named:
        found = tuple(path for path in named if places.has(path))
        if not found:
            listed = ", ".join(map(str, named))
            raise refuse(f"KUBECONFIG names {listed}, which does not exist", "Correct or unset KUBECONFIG")
        return found
    usual = (places.home / ".kube" / "config", places.k3s)
    for path in usual:
        if places.has(path) and places.at(path).stat().st_size:  # an empty one names nothing
            return (path,)
    if (places.service_account / "token").exists():
        return ()
    listed = ", ".join(map(str, (*usual, places.service_account)))
    raise refuse(f"no kubeconfig found (looked for {listed})", IN_CLUSTER_HINT)


def read_file(path: Path, *, errors: str = "strict") -> str:
    """A file's text: UTF-8 with or without a mark, or UTF-16, as PowerShell 5 writes ``command > FILE``.

    ``errors`` as for ``bytes.decode``. Raises ClusterError (credentials).
    """
    try:
        data = read_bounded(path, MAX_BYTES)
        encoding = "utf-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
        return data.decode(encoding, errors)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise refuse(f"{path} cannot be read: {reason}", "Make it readable by the agent's user") from error


class _Merged:
    """Several kubeconfigs as one: the first that names a cluster, user, context or current context wins."""

    def __init__(self, paths: tuple[Path, ...], places: Places) -> None:
        self._at = places.at
        self._files = [self._at(path) for path in paths]
        self._place = ", ".join(map(str, paths))
        self._entries: dict[tuple[str, str], tuple[dict[str, Any], Path]] = {}
        self._current: str | None = None
        for path in paths:
            self._add(path)

    def _add(self, path: Path) -> None:
        config = _parse(self._at(path))
        if misfit := find_misfit(config.get("current-context"), str, "current-context"):
            raise refuse(f"{path}: {misfit}", REPAIR)
        self._current = self._current or config.get("current-context")
        for plural in ("clusters", "users", "contexts"):
            entries = config.get(plural) or []
            if not isinstance(entries, list):
                raise refuse(f"{path}: {plural} is {describe(entries)}, not a list", REPAIR)
            for entry in entries:
                if not isinstance(entry, dict) or not isinstance(entry.get(plural[:-1]) or {}, dict):
                    raise refuse(f"{path}: an entry of {plural} is not a mapping", REPAIR)
                place = (plural[:-1], str(entry.get("name")))
                self._entries.setdefault(place, (entry.get(plural[:-1]) or {}, path.parent))

    def choose(self, name: str | None) -> Access:
        """The access of the context ``name`` (None: the current one)."""
        name = name or self._current
        if not name:
            raise refuse(f"{self._place} has no current context", "Set kubernetes.context")
        context, _ = self._find("context", name)
        cluster, cluster_base = self._find("cluster", str(context.get("cluster")))
        user, base = self._find("user", str(context["user"])) if context.get("user") else ({}, Path())
        _refuse_unsupported(user, self._place)
        self._check(context.get("cluster"), cluster)
        return Access(
            origin=f"context {name} of {self._place}",
            server=str(cluster["server"]).rstrip("/"),
            authority=self._material(cluster, "certificate-authority", cluster_base),
            verify=not cluster.get("insecure-skip-tls-verify"),
            server_name=cluster.get("tls-server-name"),
            proxy=cluster.get("proxy-url"),
            certificate=self._material(user, "client-certificate", base),
            key=self._material(user, "client-key", base),
            authorization=self._authorization(user, base),
            plugin=user.get("exec"),
            plugin_config=_find_extension(cluster, PLUGIN_EXTENSION),
            base=base,
            files=tuple(self._files),
        )

    def _check(self, name: object, cluster: dict[str, Any]) -> None:
        proxy = str(cluster.get("proxy-url") or "")
        if proxy.startswith("socks"):
            raise refuse(f"{self._place}: the proxy-url of the cluster {name} is a SOCKS proxy", NO_SOCKS)
        urls = {key: cluster.get(key) for key in ("server", "proxy-url") if key == "server" or cluster.get(key)}
        for key, url in urls.items():
            if not _is_url(str(url)):
                message = f"{self._place}: the cluster {name} has the {key} {url!r}, which is not an http or https URL"
                raise refuse(message, REPAIR)
        named = cluster.get("certificate-authority") or cluster.get("certificate-authority-data")
        if cluster.get("insecure-skip-tls-verify") and named:  # kubectl refuses it, too
            message = (
                f"{self._place}: the cluster {name} has a certificate authority and insecure-skip-tls-verify: true"
            )
            raise refuse(message, "Remove insecure-skip-tls-verify")

    def _find(self, singular: str, name: str) -> tuple[dict[str, Any], Path]:
        if (found := self._entries.get((singular, name))) is not None:
            if misfit := find_misfit(found[0], SHAPES[singular]):
                raise refuse(f"{self._place}: {misfit}, in the {singular} {name}", REPAIR)
            return found
        known = ", ".join(sorted(other for kind, other in self._entries if kind == singular)) or "none"
        raise refuse(f"{self._place} has no {singular} {name!r} (it has: {known})", "Correct kubernetes.context")

    def _material(self, entry: dict[str, Any], key: str, base: Path) -> str | None:
        """A certificate or key, from the entry itself or from the file it names."""
        if data := entry.get(f"{key}-data"):
            try:
                return base64.b64decode("".join(str(data).split()), validate=True).decode("utf-8", "replace")
            except ValueError as error:
                message = f"{self._place}: {key}-data is not base64-encoded PEM"
                raise refuse(message, REPAIR) from error
        return self._read(base / str(entry[key]), errors="replace") if entry.get(key) else None

    def _authorization(self, user: dict[str, Any], base: Path) -> str | None:
        """The HTTP header; a token file wins over a token, because only the file is kept fresh."""
        if user.get("tokenFile"):
            return f"Bearer {self._read(base / str(user['tokenFile'])).strip()}"
        if user.get("token"):
            return f"Bearer {str(user['token']).strip()}"
        if user.get("username"):
            pair = f"{user['username']}:{user.get('password', '')}"
            return f"Basic {base64.b64encode(pair.encode()).decode()}"
        return None

    def _read(self, path: Path, *, errors: str = "strict") -> str:
        path = self._at(path)
        self._files.append(path)
        return read_file(path, errors=errors)


def _parse(path: Path) -> dict[str, Any]:
    try:
        config = yaml.load(read_file(path), Loader=_LOADER)
    except (
        yaml.YAMLError,
        ValueError,
        TypeError,
        RecursionError,
    ) as error:  # a date that is none, a key that is a list
        raise refuse(f"{path} is not YAML: {' '.join(str(error).split())}", REPAIR) from error
    if config is None:  # an empty file, or nothing but comments: for kubectl it names nothing
        return {}
    if not isinstance(config, dict):
        raise refuse(f"{path} is not a kubeconfig", "Write it with `kubectl config view --flatten --minify`")
    return config


def _find_extension(cluster: dict[str, Any], name: str) -> Any:
    """What the cluster's entry holds for a program of this name; None: nothing."""
    extensions = cluster.get("extensions")
    for one in extensions if isinstance(extensions, list) else ():
        if isinstance(one, dict) and one.get("name") == name:
            return one.get("extension")
    return None


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _refuse_unsupported(user: dict[str, Any], place: str) -> None:
    if "auth-provider" in user:
        raise refuse(
            f"{place} uses an auth-provider, which Kubernetes 1.26 removed",
            "Use a credential plugin (exec), a token or a client certificate",
        )
    if any(key == "as" or str(key).startswith("as-") for key in user):
        raise refuse(
            f"{place} impersonates another user, which is not supported",
            "Create a service account for the agent",
        )


def _read_service_account(places: Places) -> Access:
    host, port = (places.environment.get(f"KUBERNETES_SERVICE_{part}") for part in ("HOST", "PORT"))
    if not host or not port:
        raise refuse(
            f"{places.service_account} holds a service account, but KUBERNETES_SERVICE_HOST and _PORT are not set",
            IN_CLUSTER_HINT,
        )
    token, authority = places.service_account / "token", places.service_account / "ca.crt"
    return Access(
        origin="the pod's service account",
        server=f"https://{f'[{host}]' if ':' in host else host}:{port}",
        authority=read_file(authority),
        authorization=f"Bearer {read_file(token).strip()}",
        files=(token, authority),
    )
