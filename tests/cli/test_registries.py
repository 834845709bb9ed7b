"""The real command beside a real registry that answers, limits and comes back."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tests.fakes.local_sites import NAMESPACE, LocalAgent, LocalSite

from connmon_lab.kubernetes import Manifest, manifests

IMAGE = "registry.example/cart:1"


class Registry:
    """A server on loopback; ``status`` is what it answers with, ``asked`` the paths that it was asked for."""

    def __init__(self) -> None:
        self.status = 503
        self.asked: list[str] = []
        registry = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                registry.asked.append(self.path)
                self.send_response(registry.status)
                if registry.status == 429:
                    self.send_header("Retry-After", "1")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"


@pytest.fixture
def registry() -> Iterator[Registry]:
    made = Registry()
    thread = threading.Thread(target=made.server.serve_forever, name="registry", daemon=True)
    thread.start()
    try:
        yield made
    finally:
        made.server.shutdown()
        made.server.server_close()
        thread.join()


@pytest.fixture
def cart(site: LocalSite, tmp_path: Path, registry: Registry) -> Iterator[LocalAgent]:
    """An agent of one service, whose rollout ends its pod before the new one has pulled its image."""
    manifest = manifests.deployment("cart", NAMESPACE, strategy={"type": "Recreate"})
    [container] = manifest["spec"]["template"]["spec"]["containers"]
    container |= {"image": IMAGE, "imagePullPolicy": "Always"}
    if site.api.get("Deployment", NAMESPACE, "cart") is None:
        site.api.create(manifest)
    agent = LocalAgent(tmp_path, site.configuration(tmp_path, ["cart"]))
    agent.configuration["kubernetes"]["registries"] = {"registry.example": registry.url}
    agent.write()
    yield agent
    agent.bury()


def generation(site: LocalSite) -> int:
    found: Manifest | None = site.api.get("Deployment", NAMESPACE, "cart")
    assert found is not None
    return int(found["metadata"]["generation"])


@pytest.mark.parametrize(("status", "told"), [(503, "is unreachable: HTTP 503"), (429, "limits requests: HTTP 429")])
def test_a_restart_that_can_only_harm_waits_for_its_registry(
    site: LocalSite, cart: LocalAgent, registry: Registry, status: int, told: str
) -> None:
    registry.status = status
    cart.start()
    cart.until_service("cart", "READY")
    before = generation(site)
    assert registry.asked == []
    assert cart.order("recover", "cart").exit_code == 0
    cart.until(lambda: told in cart.service("cart")["reason"], "postponement")
    assert cart.service("cart")["reason"] == (
        f"postponed: registry registry.example {told}; a restart would end working pods before new ones can pull "
        f"{IMAGE} (imagePullPolicy Always)"
    )
    assert (generation(site), set(registry.asked)) == (before, {"/v2/"})
    explained = " ".join(cart.run("explain", "cart").output.split())
    assert f"registry.example {told}" in explained
    registry.status = 401
    cart.until(lambda: cart.service("cart")["attempts"] == 1, "restart")
    cart.until_service("cart", "READY")
    assert generation(site) > before
    assert cart.end() == 0
    cart.verify()
