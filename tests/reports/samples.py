"""``python -m tests.reports.samples``: the samples in docs/report, of the month that docs/what-if.md is about.

The images of the PDF's pages need pdftoppm (poppler-utils); pngquant makes them small where it is installed.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from click.testing import CliRunner
from tests.docs.what_if import record

from connmon_agent.cli import connmon_agent

FOLDER = Path(__file__).parents[2] / "docs" / "report"
PERIOD = ("--since", "2026-11-01T00:00:00Z", "--until", "2026-11-30T00:00:00Z", "--time-zone", "Europe/Berlin")
RESOLUTION = "70"  # dots an inch


def write_report(state: Path, output: Path) -> None:
    """The report of the month, in the format that the suffix names."""
    words = ["--state-dir", str(state), "report", *PERIOD, "--title", "Site berlin-7", "--output", str(output)]
    result = CliRunner().invoke(connmon_agent, words)
    assert result.exit_code == 0, result.output


def main() -> None:
    """Write the samples."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as made:
        state = Path(made)
        record(state)
        for name in ("report.html", "report.csv"):
            write_report(state, FOLDER / name)
        write_report(state, state / "report.pdf")
        subprocess.run(["pdftoppm", "-r", RESOLUTION, "-png", state / "report.pdf", FOLDER / "page"], check=True)
    if shutil.which("pngquant"):
        subprocess.run(["pngquant", "--force", "--ext", ".png", "64", *sorted(FOLDER.glob("page-*.png"))], check=True)


if __name__ == "__main__":
    main()
