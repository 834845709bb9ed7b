"""A tiny HTTP client for a Kubernetes API, and the two clusters the contract tests run against."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import functools
import json
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import urllib3
import yaml
from tests.fakes.spdy_clients import PROTOCOL, SpdyClient, spdy_client

from connmon_lab.kubernetes import Version

JSON_PATCH = "application/json-patch+json"
PATIENCE = 300  # seconds that a cluster on a busy machine may take; only a test that fails waits so long
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"


@dataclass(frozen=True)
class Answer:
    """Status code and JSON (or text) of one answer."""

    code: int
    body: Any


class KubernetesClient:
    """Requests to one API server, within one namespace; plain, with a token or with client certificates."""

    def __init__(self, kubeconfig: Path, scratch: Path, namespace: str) -> None:
        config = yaml.safe_load(kubeconfig.read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        files = {
            "ca_certs": cluster.get("certificate-authority-data"),
            "cert_file": user.get("client-certificate-data"),
            "key_file": user.get("client-key-data"),
        }
        written = {name: self._write(scratch / name, data) for name, data in files.items() if data}
        self._pool = urllib3.PoolManager(retries=False, timeout=PATIENCE, **written)
        self._server = cluster["server"]
        self._tls = self._trust(written) if written else None
        self._headers = {"Authorization": f"Bearer {user['token']}"} if "token" in user else {}
        self.namespace = namespace

    @functools.cached_property
    def version(self) -> Version:
        """The version of Kubernetes that it speaks."""
        return Version(self.request("GET", "/version").body["gitVersion"])

    @staticmethod
    def _write(path: Path, data: str) -> str:
        path.write_bytes(base64.b64decode(data))
        path.chmod(0o600)
        return str(path)

    @staticmethod
    def _trust(written: dict[str, str]) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=written.get("ca_certs"))
        if "cert_file" in written:
            context.load_cert_chain(written["cert_file"], written["key_file"])
        return context

    def request(self, method: str, path: str, body: Any = None, content_type: str = "application/json") -> Answer:
        """One request; ``body`` is sent as JSON unless it is bytes."""
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        headers = {**self._headers, "Content-Type": content_type, "Accept": "application/json"}
        response = self._pool.request(method, self._server + path, body=data, headers=headers)
        try:
            return Answer(response.status, json.loads(response.data))
        except ValueError:
            return Answer(response.status, response.data.decode())

    def path(self, plural: str, name: str = "", *, group: str = "apis/apps/v1") -> str:
        """The path of a collection in our namespace, or of one object in it."""
        return f"/{group}/namespaces/{self.namespace}/{plural}" + (f"/{name}" if name else "")

    def create(self, plural: str, manifest: dict[str, Any], *, group: str = "apis/apps/v1") -> Any:
        """Create an object, which must succeed."""
        answer = self.request("POST", self.path(plural, group=group), manifest)
        assert answer.code == 201, answer.body
        return answer.body

    def get(self, plural: str, name: str, *, group: str = "apis/apps/v1") -> Any:
        """Read an object, which must be there."""
        answer = self.request("GET", self.path(plural, name, group=group))
        assert answer.code == 200, answer.body
        return answer.body

    def list(self, plural: str, selector: str, *, group: str = "apis/apps/v1") -> Any:
        """The items that match a label selector."""
        answer = self.request("GET", self.path(plural, group=group) + f"?labelSelector={selector}")
        assert answer.code == 200, answer.body
        return answer.body["items"]

    def patch(self, plural: str, name: str, patch: Any, content_type: str = STRATEGIC_PATCH) -> Answer:
        """Patch an object."""
        return self.request("PATCH", self.path(plural, name), patch, content_type)

    def wait(self, plural: str, name: str, until: Callable[[Any], object], *, group: str = "apis/apps/v1") -> Any:
        """Read an object again and again until it is as it should be."""
        deadline = time.monotonic() + PATIENCE
        while not until(found := self.get(plural, name, group=group)):
            assert time.monotonic() < deadline, found.get("status")
            time.sleep(0.02)
        return found

    def wait_list(
        self, plural: str, selector: str, until: Callable[[Any], object], *, group: str = "apis/apps/v1"
    ) -> Any:
        """List again and again until the items are as they should be."""
        deadline = time.monotonic() + PATIENCE
        while not until(found := self.list(plural, selector, group=group)):
            assert time.monotonic() < deadline, found
            time.sleep(0.02)
        return found

    def watch(self, path: str) -> Generator[Any, None, None]:
        """The events of a watch, until it ends; ``path`` is the collection's, with its query."""
        url = self._server + path + ("&" if "?" in path else "?") + "watch=1"
        response = self._pool.request("GET", url, headers=self._headers, preload_content=False, timeout=PATIENCE)
        assert response.status == 200, response.data
        try:
            text = b""
            for chunk in response.stream():
                *lines, text = (text + chunk).split(b"\n")
                yield from map(json.loads, lines)
        finally:
            response.close()

    @contextlib.asynccontextmanager
    async def forward(
        self, pod: str, query: str, protocols: tuple[str, ...] = ("v4.channel.k8s.io",)
    ) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """A port-forward to a pod of our namespace."""
        url = self._server + self.path("pods", pod, group="api/v1") + f"/portforward{query}"
        async with (
            _session(self._headers) as session,
            session.ws_connect(url, protocols=protocols, autoping=False, ssl=self._tls or True) as websocket,
        ):
            yield websocket

    def tunnel(self, pod: str, *, protocol: str = PROTOCOL) -> contextlib.AbstractAsyncContextManager[SpdyClient]:
        """A port-forward over SPDY to a pod of our namespace. Raises NotUpgraded."""
        url = self._server + self.path("pods", pod, group="api/v1") + "/portforward"
        return spdy_client(url, self._headers, self._tls, protocol=protocol)

    def close(self) -> None:
        """Close every connection."""
        self._pool.clear()


@contextlib.asynccontextmanager
async def _session(headers: dict[str, str]) -> AsyncIterator[aiohttp.ClientSession]:
    """A session that is over when its sockets are closed; aiohttp itself does not wait for the end of TLS."""
    sockets: list[socket.socket] = []

    def make_socket(address: aiohttp.AddrInfoType) -> socket.socket:
        sockets.append(made := socket.socket(*address[:3]))
        made.setblocking(False)
        return made

    try:
        async with aiohttp.ClientSession(
            headers=headers, connector=aiohttp.TCPConnector(socket_factory=make_socket)
        ) as session:
            yield session
    finally:
        while any(made.fileno() >= 0 for made in sockets):
            await asyncio.sleep(0.001)
