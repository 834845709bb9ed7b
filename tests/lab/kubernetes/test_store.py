"""The store of the embedded cluster never loses an object to another one of the same name."""

from __future__ import annotations

import pytest

from connmon_lab.kubernetes import NEWEST, Version, manifests
from connmon_lab.kubernetes.resources import Catalogue
from connmon_lab.kubernetes.store import ObjectStore


def store() -> ObjectStore:
    return ObjectStore(Catalogue(Version(NEWEST)), now=lambda: 0.0, seed=1)


def test_no_name_is_generated_twice() -> None:
    # Five characters of 27: about 56 of so many would be given twice by chance alone.
    made, objects = 40_000, store()
    assert len({objects.generate_name("web-") for _ in range(made)}) == made


def test_an_object_is_not_replaced_by_creating_another() -> None:
    objects = store()
    first = objects.create(manifests.service("web"))
    with pytest.raises(ValueError, match="web"):
        objects.create(manifests.service("web"))
    assert objects.list_objects("Service") == [first]
