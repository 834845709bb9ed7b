"""Other processes answer however slow the machine is."""

from __future__ import annotations

import pytest

from connmon_agent.cli import own_commands
from connmon_agent.web import serving


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_commands, "PATIENCE", 600.0)
    monkeypatch.setattr(serving, "SLOWEST", 600.0)
