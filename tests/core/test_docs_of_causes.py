"""Every cause that there is stands in docs/evidence.md."""

from __future__ import annotations

from pathlib import Path

import pytest

from connmon_agent.core.link.causes import Cause

PAGE = (Path(__file__).parents[2] / "docs" / "evidence.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("cause", Cause)
def test_a_cause_is_explained(cause: Cause) -> None:
    assert f"`{cause}`" in PAGE
