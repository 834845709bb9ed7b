"""`start --mode background`, on every platform: its words come from another process, whatever its console reads."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from connmon_agent.cli import connmon_agent


def test_the_words_of_an_agent_that_does_not_start_come_as_they_are(tmp_path: Path) -> None:
    config = tmp_path / "connmon.yaml"
    config.write_text("link: {fall: Büro→вход}\n", encoding="utf-8")  # in no code page as a whole
    refused = CliRunner().invoke(connmon_agent, ["--config", str(config), "start", "--mode", "background"])
    assert refused.exit_code == 2
    assert refused.stderr.startswith(f"Error: {config}:1: link.fall: must be a whole number (got Büro→вход)")
