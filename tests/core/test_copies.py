"""Changed copies of the values that a step works on."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from connmon_agent.core.copies import Copier
from connmon_agent.core.world import Forward, Link, Outage, Service, World


@pytest.mark.parametrize("cls", [World, Link, Outage, Service, Forward])
def test_a_copy_differs_by_the_changes_alone(cls: type[Any]) -> None:
    """Also where each value is of another type than the class says: nothing of the class runs."""
    names = [field.name for field in fields(cls)]
    assert not hasattr(cls, "__post_init__")
    value = cls(*(f"the {name}" for name in names))
    copier = Copier(cls)
    for name in names:
        assert copier.copy(value, {name: "another"}) == replace(value, **{name: "another"})
    assert copier.copy(value, {}) == value
    assert [getattr(value, name) for name in names] == [f"the {name}" for name in names]


def test_a_field_that_the_class_does_not_have_is_refused() -> None:
    with pytest.raises(KeyError, match="colour"):
        Copier(Link).copy(Link(), {"colour": "red"})
