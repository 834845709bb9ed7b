"""Images: where they come from, and which must be pulled before a pod runs."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.virtual_time import run_virtually

from connmon_agent.core.observations import Pull
from connmon_agent.errors import ClusterError
from connmon_agent.kube.images import (
    KEPT,
    MOST_REGISTRIES,
    NodeImages,
    find_pulls,
    images_of_nodes,
    images_of_pods,
    list_needed,
    normalize_image,
    registry_of,
)

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("reference", "registry", "name"),
    [
        ("nginx", "docker.io", "docker.io/library/nginx:latest"),
        ("nginx:1.25", "docker.io", "docker.io/library/nginx:1.25"),
        ("docker.io/nginx:1.25", "docker.io", "docker.io/library/nginx:1.25"),
        ("index.docker.io/library/nginx:1.25", "docker.io", "docker.io/library/nginx:1.25"),
        ("grafana/grafana:10.4", "docker.io", "docker.io/grafana/grafana:10.4"),
        ("library/nginx", "docker.io", "docker.io/library/nginx:latest"),
        ("ghcr.io/a/b/c:v1", "ghcr.io", "ghcr.io/a/b/c:v1"),
        ("quay.io/app", "quay.io", "quay.io/app:latest"),
        ("registry:5000/app:2", "registry:5000", "registry:5000/app:2"),
        ("registry.example:5000/app", "registry.example:5000", "registry.example:5000/app:latest"),
        ("localhost/app:1", "localhost", "localhost/app:1"),
        ("localhost:5000/app", "localhost:5000", "localhost:5000/app:latest"),
        ("192.0.2.1/app:1", "192.0.2.1", "192.0.2.1/app:1"),
        ("[2001:db8::1]/app:1", "[2001:db8::1]", "[2001:db8::1]/app:1"),
        ("[2001:db8::1]:5000/app", "[2001:db8::1]:5000", "[2001:db8::1]:5000/app:latest"),
        (f"nginx@{DIGEST}", "docker.io", f"docker.io/library/nginx@{DIGEST}"),
        (f"nginx:1.25@{DIGEST}", "docker.io", f"docker.io/library/nginx@{DIGEST}"),
        (f"registry:5000/app@{DIGEST}", "registry:5000", f"registry:5000/app@{DIGEST}"),
    ],
)
def test_a_reference_is_read_as_containerd_reads_it(reference: str, registry: str, name: str) -> None:
    assert (registry_of(reference), normalize_image(reference)) == (registry, name)


@given(st.text(max_size=60))
def test_whatever_is_written_for_an_image_is_read_as_something_and_once_for_all(reference: str) -> None:
    registry_of(reference)
    assert normalize_image(normalize_image(reference)).count("@") == normalize_image(reference).count("@")


def template_of(*containers: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {"spec": {"containers": [{"name": str(at), **one} for at, one in enumerate(containers)], **spec}}


ALWAYS, ONCE, NEVER = (
    {"imagePullPolicy": "Always"},
    {"imagePullPolicy": "IfNotPresent"},
    {"imagePullPolicy": "Never"},
)
NGINX = "docker.io/library/nginx:1.25"


@pytest.mark.parametrize(
    ("container", "present", "why"),
    [
        pytest.param({"image": "nginx:1.25", **ALWAYS}, {NGINX}, "imagePullPolicy Always", id="always, though present"),
        pytest.param({"image": "nginx:1.25", **ONCE}, {NGINX}, None, id="present"),
        pytest.param({"image": "nginx:1.25", **ONCE}, set(), "not present on any node", id="listed by no node"),
        pytest.param({"image": "nginx:1.26", **ONCE}, {NGINX}, "not present on any node", id="another tag is"),
        pytest.param({"image": "nginx:1.25", **NEVER}, set(), None, id="never pulled"),
        pytest.param({"image": "nginx:1.25"}, {NGINX}, None, id="no policy, a tag"),
        pytest.param({"image": "nginx"}, {NGINX}, "imagePullPolicy Always", id="no policy, no tag"),
        pytest.param({"image": "nginx:latest"}, {NGINX}, "imagePullPolicy Always", id="no policy, latest"),
        pytest.param(
            {"image": f"nginx@{DIGEST}"}, {f"docker.io/library/nginx@{DIGEST}"}, None, id="no policy, a digest"
        ),
    ],
)
def test_what_must_be_pulled(container: dict[str, Any], present: set[str], why: str | None) -> None:
    pulls = find_pulls(template_of(container), frozenset(present), nodes_known=True)
    assert pulls == (() if why is None else (Pull("docker.io", container["image"], why),))


def test_init_containers_and_image_volumes_are_pulled_too() -> None:
    template = template_of(
        {"image": "a.example/app:1", **ONCE},
        initContainers=[{"name": "i", "image": "b.example/init:1", **ONCE}],
        volumes=[{"name": "v", "image": {"reference": "c.example/data:1", "pullPolicy": "Always"}}, {"emptyDir": {}}],
    )
    assert [image for image, _ in list_needed(template)] == ["b.example/init:1", "a.example/app:1", "c.example/data:1"]
    pulls = find_pulls(template, frozenset({"a.example/app:1"}), nodes_known=True)
    assert [(pull.registry, pull.why) for pull in pulls] == [
        ("b.example", "not present on any node"),
        ("c.example", "imagePullPolicy Always"),
    ]


def test_a_registry_is_named_once_and_not_more_of_them_than_can_be_asked() -> None:
    containers = [{"image": f"r{number // 2}.example/app{number}:1", **ALWAYS} for number in range(40)]
    pulls = find_pulls(template_of(*containers), frozenset(), nodes_known=True)
    assert [pull.registry for pull in pulls] == [f"r{number}.example" for number in range(MOST_REGISTRIES)]
    assert pulls[1].image == "r1.example/app2:1"


def test_what_nodes_cannot_be_asked_for_is_said_not_to_be_known() -> None:
    [pull] = find_pulls(template_of({"image": "nginx:1.25", **ONCE}), frozenset(), nodes_known=False)
    assert pull.why == "presence on nodes unknown, the role cannot list nodes"


def test_nodes_tell_of_images_under_several_names() -> None:
    nodes = [
        {"status": {"images": [{"names": ["nginx:1.25", f"docker.io/library/nginx@{DIGEST}"]}, {"sizeBytes": 1}]}},
        {"status": {"images": None}},
        {},
    ]
    assert images_of_nodes(nodes) == {NGINX, f"docker.io/library/nginx@{DIGEST}"}


def test_a_pod_has_the_images_of_the_containers_that_were_pulled() -> None:
    pod = {
        "spec": {
            "containers": [{"name": "a", "image": "nginx:1.25"}, {"name": "b", "image": "busybox:1"}],
            "initContainers": [{"name": "i", "image": "alpine:3"}],
        },
        "status": {
            "containerStatuses": [{"name": "a", "imageID": "sha256:1"}, {"name": "b", "imageID": ""}],
            "initContainerStatuses": [{"name": "i", "imageID": "sha256:2"}],
        },
    }
    assert images_of_pods([pod, {}]) == {NGINX, "docker.io/library/alpine:3"}


def test_who_asks_at_once_or_soon_after_is_answered_by_one_request() -> None:
    asked = 0

    async def ask() -> frozenset[str]:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0.5)
        return frozenset({str(asked)})

    async def story() -> None:
        nodes = NodeImages(ask)
        assert set(await asyncio.gather(*(nodes.images() for _ in range(40)))) == {frozenset({"1"})}
        await asyncio.sleep(KEPT - 1)
        assert await nodes.images() == {"1"}
        await asyncio.sleep(1)
        assert await nodes.images() == {"2"}

    run_virtually(story())


def test_a_failure_is_raised_and_not_remembered() -> None:
    answers = [ClusterError("timeout", "no answer"), None]

    async def ask() -> frozenset[str] | None:
        answer = answers.pop(0)
        if answer is not None:
            raise answer
        return None

    async def story() -> None:
        nodes = NodeImages(ask)
        with pytest.raises(ClusterError):
            await nodes.images()
        assert await nodes.images() is None
        assert await nodes.images() is None  # what the role withholds is remembered too

    run_virtually(story())
