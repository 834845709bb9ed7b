"""The port ``Cluster`` over a real Kubernetes API: look at a workload, restart a workload, never hang, never raise."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from pathlib import Path
from typing import TypeVar

from msgspec.structs import replace

from ..core.effects import Restart
from ..core.events import Outcome, RestartAnswered
from ..core.observations import Observation, Pull, Rollout, Unobserved
from ..core.plan import ServicePlan
from ..core.timestamps import Timestamp
from ..errors import ClusterError
from ..settings import KubernetesSettings
from .annotations import TOKEN
from .calls import Calls
from .client import KubernetesClient
from .disruption import choose_version, discover_policy, find_blocking, list_budgets, most_unavailable, replaces_first
from .images import NodeImages, find_pulls, images_of_nodes, images_of_pods, list_nodes, needs_nodes
from .last_words import LastWords
from .lists import Page, read_first_page, read_list
from .object_events import Silent, find_silent, list_warnings, tell_newest
from .pods import identify_current, identify_running, list_pods
from .requests import FINISHED, ApiRequest, Json, get, workload_path
from .restarts import patch_workload
from .revisions import find_newest, find_owners, find_revision, list_revisions
from .rollouts import digest_template, read_template, read_workload
from .spec_generations import SpecGenerations
from .standstills import add_pods, join_troubles

# The server answered that it did not do it, and the same request would be answered the same.
_FINAL = ("conflict", "denied", "invalid", "forbidden", "not-found")

_T = TypeVar("_T")

# What a role may withhold, and an old server may not have.
_WITHHELD = ("forbidden", "not-found")


def open_calls(settings: KubernetesSettings, *, temp_dir: Path) -> Calls:
    """The way to the cluster. ``temp_dir`` is a private folder, made at need; nothing is asked for yet."""
    # TCP and TLS take up to one connect timeout each; the second above them lets their own errors speak first.
    deadline = 2 * settings.connect_timeout + settings.read_timeout + 1
    return Calls(KubernetesClient(settings, temp_dir=temp_dir), deadline=deadline)


class KubernetesCluster:
    """The adapter. It owns ``calls`` and closes them."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._policy_version: str | None = None  # None: not discovered yet
        self._nodes = NodeImages(self._list_images)
        self._last_words = LastWords(self._ask)
        self._spec_generations = SpecGenerations()

    async def inspect(self, service: ServicePlan, *, closely: bool) -> Observation | Unobserved:
        """One request; four or five, three of them at once, when ``closely``, the nodes too where their images matter,
        and one more for each further page of a list.

        A list that a role withholds leaves its field None; any other failure leaves the whole unseen, for half a sight
        must not decide.
        """
        path = workload_path(service.kind, service.namespace, service.workload)
        try:
            workload = await self._calls.send(get(path, service.kind.value))
            changed_at = self._spec_generations.find(path, workload)
            seen = read_workload(service.kind, workload, changed_at=changed_at)
            closely = closely or seen.rollout is Rollout.FAILED  # why it failed is in its pods
            return await self._look_closely(service, workload, seen) if closely else seen
        except ClusterError as error:
            if error.kind == "not-found":
                return Observation(exists=False, progress=_explain_absence(service))
            return Unobserved(error.kind, str(error), error.retry_after)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            return Unobserved("protocol", f"{path} returned an object that is not a {service.kind}: {error}")

    async def restart(self, restart: Restart, at: Timestamp) -> RestartAnswered:
        """Send the compare-and-set once. Applied is what the answer shows to carry our token."""
        try:
            workload = await self._calls.send(patch_workload(restart, at))
        except ClusterError as error:
            outcome = Outcome.REFUSED if error.kind in _FINAL else Outcome.UNKNOWN
            return _answer(restart, at, outcome=outcome, error=error)
        finally:
            self._spec_generations.forget(workload_path(restart.kind, restart.namespace, restart.workload))
        token, generation, template = _read_result(workload)
        if token == restart.token:
            return RestartAnswered(
                at, restart.service, restart.token, Outcome.APPLIED, "accepted", None, generation, template=template
            )
        odd = ClusterError("protocol", "the answer to the restart does not contain its token")
        return _answer(restart, at, outcome=Outcome.UNKNOWN, error=odd)

    async def close(self) -> None:
        """End every connection and thread."""
        await self._calls.close()

    async def _look_closely(self, service: ServicePlan, workload: Json, seen: Observation) -> Observation:
        revisions, blocked_by, pods = await asyncio.gather(
            self._list(list_revisions(service.kind, service.namespace, workload)),
            self._find_blocking(service, workload, seen),
            self._list(list_pods(service.namespace, workload)),
        )
        ended = None if seen.healthy or pods is None else await self._find_ended(service, workload)
        listed = pods if ended is None else [*(pods or ()), *ended.items]
        revision = find_revision(workload, revisions or ())
        pulls = await self._find_pulls(service, workload, seen, pods or [])
        running = None if pods is None else identify_running(pods, owners=find_owners(workload, revisions))
        seen = replace(seen, revised_by=revision.by, blocked_by=blocked_by, pulls=pulls, close=True, pods=running)
        newest = find_newest(workload, revisions or ())
        more = ended is not None and ended.more
        is_current = identify_current(service.kind, workload, newest) or (lambda pod: True)
        listed = None if listed is None else await self._last_words.complete(service.namespace, listed, is_current)
        seen = add_pods(seen, service.kind, workload, pods=listed, newest=newest, more_finished=more)
        silent = None if listed is None else find_silent(service.kind, workload, seen, listed, is_current)
        warning = None if silent is None else await self._find_warning(service.namespace, silent)
        return seen if warning is None else replace(seen, trouble=join_troubles(warning, seen.trouble))

    async def _find_warning(self, namespace: str, silent: Silent) -> str | None:
        """What the events say of an object; None: nothing, or they may not be read."""
        answer = await self._ask(list_warnings(namespace, silent))
        return None if answer is None else tell_newest(silent, answer.get("items") or ())

    async def _find_ended(self, service: ServicePlan, workload: Json) -> Page | None:
        """Some pods that have ended: where none lives they say why, and there may be thousands of them."""
        return await self._unless_withheld(
            read_first_page(list_pods(service.namespace, workload, fields=FINISHED), self._calls.send)
        )

    async def _find_pulls(
        self, service: ServicePlan, workload: Json, seen: Observation, pods: list[Json]
    ) -> tuple[Pull, ...]:
        """What must be pulled before new pods run, where a restart would end working ones first."""
        if seen.available == 0 or not replaces_first(service.kind, workload, seen.desired):
            return ()
        template, present, nodes_known = read_template(workload), images_of_pods(pods), True
        if find_pulls(template, present, nodes_known=True) and needs_nodes(template):
            listed = await self._nodes.images()
            present, nodes_known = present | (listed or frozenset()), listed is not None
        return find_pulls(template, present, nodes_known=nodes_known)

    async def _list_images(self) -> frozenset[str] | None:
        """The images that the nodes tell of, those of a page in a large cluster; None: the role cannot list nodes."""
        nodes = await self._unless_withheld(read_first_page(list_nodes(), self._calls.send))
        return None if nodes is None else images_of_nodes(nodes.items)

    async def _find_blocking(self, service: ServicePlan, workload: Json, seen: Observation) -> str | None:
        """A rollout that takes no pod away before the next one works needs nobody's leave."""
        if most_unavailable(service.kind, workload, seen.desired) == 0:
            return None
        version = await self._discover_policy()
        items = None if version is None else await self._list(list_budgets(service.namespace, version))
        return None if version is None or items is None else find_blocking(workload, items, version=version)

    async def _discover_policy(self) -> str | None:
        """The version of the policy API to ask; remembered once it is known. None: the server has none."""
        if self._policy_version is None:
            try:
                self._policy_version = choose_version(await self._calls.send(discover_policy()))
            except ClusterError as error:
                if error.kind not in _WITHHELD:
                    raise
        return self._policy_version

    async def _ask(self, request: ApiRequest) -> Json | None:
        """What only says more of what is known already; None: nothing is to be had."""
        try:
            return await self._calls.send(request)
        except ClusterError:
            return None

    async def _list(self, request: ApiRequest) -> list[Json] | None:
        """The items of a list; None: the role or the server does not have it."""
        return await self._unless_withheld(read_list(request, self._calls.send))

    async def _unless_withheld(self, reading: Awaitable[_T]) -> _T | None:
        try:
            return await reading
        except ClusterError as error:
            if error.kind in _WITHHELD:
                return None
            raise


def _answer(restart: Restart, at: Timestamp, *, outcome: Outcome, error: ClusterError) -> RestartAnswered:
    return RestartAnswered(
        at, restart.service, restart.token, outcome, str(error), error.kind, retry_after=error.retry_after
    )


def _explain_absence(service: ServicePlan) -> str:
    return f"no {service.kind} {service.workload} in the namespace {service.namespace}"


def _read_result(workload: Json) -> tuple[object, int | None, str | None]:
    """Token, generation and the template's digest of the object that a patch was answered with."""
    try:
        token = read_template(workload)["metadata"]["annotations"].get(TOKEN)
        return token, workload["metadata"].get("generation"), digest_template(workload)
    except (AttributeError, KeyError, TypeError):
        return None, None, None
