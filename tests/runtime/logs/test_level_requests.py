"""`log level` through the control socket's handler."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from connmon_agent.core.timestamps import Timestamp
from connmon_agent.errors import ConnmonError
from connmon_agent.runtime.log_records import AREAS, LogRecord
from connmon_agent.runtime.logs.level_requests import LevelRequests
from connmon_agent.runtime.logs.levels import Levels

AT = Timestamp(1_000.0, 1_795_000_000.0)


class Requests:
    def __init__(self) -> None:
        self.levels = Levels("info")
        self.said: list[LogRecord] = []
        self.at = AT
        self._requests = LevelRequests(self.levels, now=lambda: self.at, say=self.said.append)

    def ask(self, **arguments: object) -> dict[str, tuple[str, float | None]]:
        answer: Any = asyncio.run(self._requests.answer(arguments, "root (pid 17)"))
        assert answer["configured"] == "info"
        return {area["area"]: (area["level"], area["left"]) for area in answer["areas"]}


def test_a_level_is_set_for_a_time_shown_and_logged() -> None:
    requests = Requests()
    assert requests.ask() == dict.fromkeys(AREAS, ("info", None))
    requests.ask(levels={"probes": "debug"}, **{"for": 600})
    assert [one.text for one in requests.said] == ["root (pid 17) set the log level of probes to debug for 600 s"]
    requests.at = AT.plus(599)
    assert requests.ask()["probes"] == ("debug", 1.0)
    requests.at = AT.plus(600)
    assert requests.ask()["probes"] == ("info", None)


def test_ten_minutes_are_usual_and_reset_ends_all() -> None:
    requests = Requests()
    shown = requests.ask(levels={"probes": "debug", "link": "error"})
    assert (shown["probes"], shown["link"]) == (("debug", 600.0), ("error", 600.0))
    assert requests.ask(reset=True) == dict.fromkeys(AREAS, ("info", None))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"levels": {"probe": "debug"}}, "probe is not a log area"),
        ({"levels": {"probes": "loud"}}, "loud is not a log level"),
        ({"levels": ["probes"]}, "levels must map areas to levels"),
        ({"levels": {"probes": ["debug"]}}, "is not a log level"),
        *(
            ({"levels": {"probes": "debug"}, "for": value}, "the time must be")
            for value in (0, -1, 1e9, float("nan"), "10m", True, None)
        ),
    ],
)
def test_what_is_no_level_or_time_changes_nothing(arguments: dict[str, object], words: str) -> None:
    requests = Requests()
    with pytest.raises(ConnmonError, match=words):
        requests.ask(**arguments)
    assert requests.ask() == dict.fromkeys(AREAS, ("info", None))
