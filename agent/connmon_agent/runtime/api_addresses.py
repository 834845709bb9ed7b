"""Where the cluster's API server listens, by the kubeconfig as it is now. It is probed beside the link's targets."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from ..errors import ClusterError
from ..kube.kubeconfig import Places, find_kubeconfigs, read_access
from ..kube.proxies import choose_proxy
from ..settings import ApiTarget, KubernetesSettings

_PORTS = {"http": 80, "https": 443}
Stamp = tuple[tuple[Path, int, int], ...]


class ApiAddress:
    """Finds the address without loading ``kubernetes``. The kubeconfig is parsed again only when a file has changed."""

    def __init__(self, settings: KubernetesSettings, *, places: Places | None = None) -> None:
        self._settings = settings
        self._places = places or Places.of_this_machine()
        self._stamp: Stamp | None = None
        self._target: ApiTarget | None = None
        self.unverified: str | None = None  # the server whose certificate nobody verifies; None: there is none

    def find(self) -> ApiTarget | None:
        """The target; None where there is no kubeconfig that can be read, or a proxy leads to the API.

        It reads files, so that it may take as long as their disk.
        """
        try:
            paths = find_kubeconfigs(self._settings.kubeconfig, self._places)
            stamp = tuple(_stamp(self._places.at(path)) for path in paths)
            if stamp != self._stamp:
                self._target = self._read()
                self._stamp = stamp
        except (ClusterError, OSError):
            self._stamp = self._target = self.unverified = None
        return self._target

    def _read(self) -> ApiTarget | None:
        access = read_access(self._settings.kubeconfig, self._settings.context, self._places)
        self.unverified = None if access.verify or not access.server.startswith("https:") else access.server
        return api_target(access.server) if choose_proxy(access, self._places.environment) is None else None


def api_target(server: str) -> ApiTarget | None:
    """The target of an API's URL; None where it is none that could be connected to."""
    try:
        parts = urlsplit(server)
        host, port = parts.hostname, parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return None
    if not host or not port:
        return None
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return ApiTarget(host, port, f"api {place}")


def _stamp(path: Path) -> tuple[Path, int, int]:
    about = path.stat()
    return path, about.st_mtime_ns, about.st_size
