"""Images: which registry each comes from, which a node already has, and which must be pulled before a pod runs.

References are read as containerd does (github.com/distribution/reference, normalize.go): what stands before the first
slash is a registry where it has a dot or a colon or is ``localhost``, else the image is Docker Hub's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator

from ..core.observations import Pull
from .object_fields import list_statuses
from .requests import ApiRequest, Json, get

DOCKER_HUB = "docker.io"
KEPT = 30.0  # seconds; each node tells of its images every 10 s or seldomer, and their list may have a megabyte
MOST_REGISTRIES = 8  # asked about before one restart
_ALWAYS, _NEVER = "Always", "Never"


def list_nodes() -> ApiRequest:
    """The request for the nodes, with the images that each of them tells of: its 50 largest, by default."""
    return get("/api/v1/nodes", "NodeList")


def normalize_image(reference: str) -> str:
    """``docker.io/library/nginx:1.25`` for ``nginx:1.25``: one name for one image. A digest makes a tag needless."""
    name, _, digest = reference.partition("@")
    registry, rest = _split(name)
    path, colon, tag = rest.rpartition(":")
    if not colon:
        path, tag = rest, "latest"
    return f"{registry}/{path}@{digest}" if digest else f"{registry}/{path}:{tag}"


def registry_of(reference: str) -> str:
    """``docker.io`` for ``nginx``, ``[fd00::1]:5000`` for ``[fd00::1]:5000/app``: where the image comes from."""
    return _split(reference.partition("@")[0])[0]


def _split(name: str) -> tuple[str, str]:
    first, slash, rest = name.partition("/")
    if not slash or not (first == "localhost" or any(char in first for char in ".:")):
        first, rest = DOCKER_HUB, name
    if first in (DOCKER_HUB, f"index.{DOCKER_HUB}"):
        return DOCKER_HUB, rest if "/" in rest else f"library/{rest}"
    return first, rest


def list_needed(template: Json) -> Iterator[tuple[str, str]]:
    """Every image of a pod template with its pull policy, those of init containers and image volumes included.

    ``Never`` is left out.
    """
    spec = template.get("spec") or {}
    sources = [(one.get("image"), one.get("imagePullPolicy")) for one in _containers(spec)]
    volumes = [volume.get("image") or {} for volume in spec.get("volumes") or ()]
    sources += [(volume.get("reference"), volume.get("pullPolicy")) for volume in volumes]
    for image, policy in sources:
        if image and policy != _NEVER:
            yield str(image), str(policy or _default_policy(str(image)))


def needs_nodes(template: Json) -> bool:
    """Whether what the nodes have matters: an image that is always pulled is pulled wherever it is."""
    return any(policy != _ALWAYS for _, policy in list_needed(template))


def images_of_nodes(nodes: Iterable[Json]) -> frozenset[str]:
    """The images that some node tells of, by their normalized names."""
    names = (
        name
        for node in nodes
        for image in (node.get("status") or {}).get("images") or ()
        for name in image.get("names") or ()
    )
    return frozenset(normalize_image(str(name)) for name in names)


def images_of_pods(pods: Iterable[Json]) -> frozenset[str]:
    """The images of containers that have been pulled: a node tells of the largest only, and not of each that it has."""
    found: set[str] = set()
    for pod in pods:
        pulled = {one.get("name") for one in list_statuses(pod) if one.get("imageID")}
        containers = _containers(pod.get("spec") or {})
        found |= {normalize_image(str(one["image"])) for one in containers if one.get("name") in pulled}
    return frozenset(found)


def find_pulls(template: Json, present: frozenset[str], *, nodes_known: bool) -> tuple[Pull, ...]:
    """The registries from which new pods must pull, in the template's order, at most ``MOST_REGISTRIES``.

    ``present`` are the images that nodes have; ``nodes_known`` False: the role does not let the agent see them all.
    """
    unlisted = "not present on any node" if nodes_known else "presence on nodes unknown, the role cannot list nodes"
    pulls: dict[str, Pull] = {}
    for image, policy in list_needed(template):
        if policy == _ALWAYS or normalize_image(image) not in present:
            registry = registry_of(image)
            why = f"imagePullPolicy {_ALWAYS}" if policy == _ALWAYS else unlisted
            pulls.setdefault(registry, Pull(registry, image, why))
    return tuple(pulls.values())[:MOST_REGISTRIES]


def _containers(spec: Json) -> list[Json]:
    return [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]


def _default_policy(image: str) -> str:
    """What the API server writes where the policy is missing."""
    tagged = normalize_image(image)
    return _ALWAYS if tagged.endswith(":latest") and "@" not in image else "IfNotPresent"


class NodeImages:
    """What ``ask`` finds: the images that some node has; None where the role withholds them.

    It is asked once for all services that want to know at about the same time.
    """

    def __init__(self, ask: Callable[[], Awaitable[frozenset[str] | None]]) -> None:
        self._ask = ask
        self._found: frozenset[str] | None = None
        self._at: float | None = None  # when they were found, in the loop's time; None: they were not
        self._lock = asyncio.Lock()

    async def images(self) -> frozenset[str] | None:
        """The images, at most ``KEPT`` seconds old. Raises what ``ask`` raises, and remembers nothing then."""
        async with self._lock:  # who comes while they are asked for waits for the same answer
            now = asyncio.get_running_loop().time()
            if self._at is None or now - self._at >= KEPT:
                self._found, self._at = await self._ask(), now
            return self._found
