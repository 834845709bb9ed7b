"""Whether the pods that run are newer than our restart, and who took it back."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from tests.fakes.sites import plan_of

from connmon_agent.core.draft import Draft
from connmon_agent.core.observations import Observation
from connmon_agent.core.services.replacements import is_replaced, note_undoing
from connmon_agent.core.timestamps import Timestamp
from connmon_agent.core.world import Baseline, Intent, Service, World

AT = Timestamp(1_000.0, 1_795_000_000.0)
HELM = "helm 2026-11-23T10:00:00Z"
BEFORE = Baseline("old", ("pod-a", "pod-b"), (HELM,))
RESTARTED = Service("web", "VERIFYING", token="ours", made="made", before=BEFORE)
INTENT = Intent("next", None, 1, "uid-1", False, AT)
SEEN = Observation(uid="uid-1", desired=2, available=2, token="ours", template="made", managers=(HELM,))
REVERTED = replace(SEEN, token=None, template="old")
CLOSE = replace(REVERTED, close=True)


@pytest.mark.parametrize(
    ("seen", "service", "replaced"),
    [
        pytest.param(SEEN, RESTARTED, True, id="our token is there"),
        pytest.param(replace(SEEN, template="old"), RESTARTED, True, id="our token is there, whatever else"),
        pytest.param(replace(SEEN, token=None, template="third"), RESTARTED, True, id="a rollout after ours"),
        pytest.param(replace(SEEN, token="theirs", template="third"), RESTARTED, True, id="another agent's"),
        pytest.param(REVERTED, RESTARTED, None, id="only the pods can tell"),
        pytest.param(replace(CLOSE, pods=("pod-a", "pod-b")), RESTARTED, False, id="the old pods"),
        pytest.param(replace(CLOSE, pods=("pod-b", "pod-c")), RESTARTED, False, id="one old pod"),
        pytest.param(replace(CLOSE, pods=("pod-c", "pod-d")), RESTARTED, True, id="new pods under the old template"),
        pytest.param(replace(CLOSE, pods=()), RESTARTED, True, id="no pod at all"),
        pytest.param(CLOSE, RESTARTED, False, id="the role withholds the pods"),
        pytest.param(
            replace(CLOSE, pods=("pod-c",)),
            replace(RESTARTED, before=replace(BEFORE, pods=None)),
            False,
            id="the role withheld the pods before",
        ),
        pytest.param(
            replace(CLOSE, pods=("pod-c",)),
            replace(RESTARTED, before=replace(BEFORE, template=None)),
            True,
            id="the template of before is not known, the pods are",
        ),
        pytest.param(REVERTED, replace(RESTARTED, before=None), True, id="an older agent remembered nothing"),
    ],
)
def test_what_runs_is_newer_than_the_restart(seen: Observation, service: Service, replaced: bool | None) -> None:
    assert is_replaced(service, seen) is replaced


def notice(service: Service, seen: Observation) -> tuple[str, list[str]]:
    """Who undid it, as it is remembered then, and what people are told."""
    draft = Draft(World(store="disk0001", plan=plan_of("web"), services={"web": service}), AT)
    note_undoing(draft, "web", seen)
    return draft.service("web").undone, [text for _, text in draft.notes]


TOOK = " removed the restart annotations from the pod template"


@pytest.mark.parametrize(
    ("managers", "who"),
    [
        pytest.param(("flux 2026-11-23T11:00:00Z", HELM), "flux", id="a new entry"),
        pytest.param(("helm 2026-11-23T11:00:00Z",), "helm", id="an entry that was written again"),
        pytest.param(("b 2", "a 1", "b 0", HELM), "b, a", id="two"),
        pytest.param((HELM,), "another client (field managers of the object: helm)", id="only removed"),
        pytest.param((), "another client", id="without field managers"),
    ],
)
def test_who_took_it_back_is_told_once_with_what_to_do(managers: tuple[str, ...], who: str) -> None:
    undone, told = notice(RESTARTED, replace(REVERTED, managers=managers))
    assert undone == who + TOOK
    assert told == [f"{undone}; if this is a controller, configure it to ignore the annotations connmon.io/*"]
    assert notice(replace(RESTARTED, undone=undone), replace(REVERTED, managers=managers)) == (undone, [])


@pytest.mark.parametrize(
    ("service", "seen"),
    [
        pytest.param(RESTARTED, SEEN, id="it is there"),
        pytest.param(RESTARTED, Observation(exists=False), id="the object is gone"),
        pytest.param(Service("web"), REVERTED, id="never restarted by us"),
        pytest.param(replace(RESTARTED, intent=INTENT), REVERTED, id="the next restart is on its way"),
        pytest.param(replace(RESTARTED, undone="flux took it"), SEEN, id="it is there again"),
    ],
)
def test_nothing_was_taken_back(service: Service, seen: Observation) -> None:
    assert notice(service, seen) == ("", [])
