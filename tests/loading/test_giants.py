"""A giant file gets a short answer at once: what would be gone through again and again is bounded."""

from __future__ import annotations

from pathlib import Path

import pytest

from connmon_agent.errors import ConfigurationError
from connmon_agent.loading.configuration import load_settings
from connmon_agent.loading.keys import MOST_ALTERNATIVES, MOST_SERVICES
from connmon_agent.loading.problems import MOST_NAMED
from connmon_agent.loading.services import MOST_CYCLES


def refuse(path: Path, text: str) -> list[str]:
    path.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        load_settings(path, state_dir=None, environment={})
    return str(caught.value).splitlines()


def test_a_list_has_its_most_items(tmp_path: Path) -> None:
    ports = ", ".join(map(str, range(1000, 1000 + MOST_ALTERNATIVES + 1)))
    (message,) = refuse(tmp_path / "c.yaml", f"services: {{a: {{port: 80, alternatives: [{ports}]}}}}\n")
    assert f"services.a.alternatives: has {MOST_ALTERNATIVES + 1} items" in message
    assert message.endswith(f"write at most {MOST_ALTERNATIVES}")


def test_a_list_that_aliases_repeat_is_refused_in_each_place(tmp_path: Path) -> None:
    ports = ", ".join(map(str, range(1000, 60_000)))
    services = "".join(f"  s{number}: {{port: {number + 1}, alternatives: *a}}\n" for number in range(200))
    text = f"services:\n  z: {{port: 65000, alternatives: &a [{ports}]}}\n{services}"
    *messages, rest = refuse(tmp_path / "c.yaml", text)
    assert len(messages) == MOST_NAMED
    assert rest == f"and {201 - MOST_NAMED} more"


def test_of_services_that_all_wait_for_each_other_some_cycles_are_named(tmp_path: Path) -> None:
    names = ", ".join(f"s{number}" for number in range(MOST_SERVICES - 1))
    text = f"services:\n  s0: &d {{depends_on: [{names}]}}\n"
    text += "".join(f"  s{number}: *d\n" for number in range(1, MOST_SERVICES - 1))
    messages = refuse(tmp_path / "c.yaml", text)
    assert len(messages) == MOST_CYCLES
    assert all("dependency cycle" in message for message in messages)


def test_mistakes_without_end_are_counted(tmp_path: Path) -> None:
    text = "".join(f"key{number}: 1\n" for number in range(3000))
    messages = refuse(tmp_path / "c.yaml", text)
    assert messages[-1] == f"and {3000 - MOST_NAMED} more"
    assert len(messages) == MOST_NAMED + 1
