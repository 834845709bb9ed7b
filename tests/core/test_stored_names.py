"""What has another name in the state file than in the code."""

from __future__ import annotations

import importlib
import pkgutil

from msgspec import Struct

import connmon_agent.core
from connmon_agent.core import stored_names
from connmon_agent.core.stored_names import chart_name, renew_chart, stored_name


def names_in_the_core() -> set[str]:
    """Every class and field that the state file may hold."""
    names = set()
    for module in pkgutil.walk_packages(connmon_agent.core.__path__, "connmon_agent.core."):
        for found in vars(importlib.import_module(module.name)).values():
            if isinstance(found, type) and issubclass(found, Struct):
                names |= {found.__name__, *found.__struct_fields__}
    return names


def test_each_is_the_name_of_something() -> None:
    assert set(stored_names._STORED) <= names_in_the_core()


def test_no_two_things_are_stored_under_one_name() -> None:
    names = names_in_the_core()
    stored = [stored_name(name) for name in names]
    assert len(stored) == len(set(stored))


def test_a_chart_of_an_older_version_speaks_todays_language() -> None:
    old = {
        "events": {"went_blind": "the agent did not run"},
        "transitions": [{"trigger": "went_blind", "unless": ["blind_restart"], "reason": "{blind}; {hold}"}],
    }
    assert renew_chart(old) == {
        "events": {"monitoring_gap_ended": "the agent did not run"},
        "transitions": [
            {"trigger": "monitoring_gap_ended", "unless": ["gap_is_outage"], "reason": "{monitoring_gap}; {hold}"}
        ],
    }
    assert renew_chart(renew_chart(old)) == renew_chart(old)


def test_other_names_stay() -> None:
    assert (stored_name("hold"), chart_name("round_good")) == ("hold", "round_good")
