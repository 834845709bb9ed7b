"""What the pages say of the code is held against the code."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

import connmon_agent
from connmon_agent.cli import COMMANDS
from connmon_agent.cli import connmon_agent as command

ROOT = Path(__file__).parents[1]
PACKAGE = Path(connmon_agent.__file__).parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])

LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
FENCED = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)


def read(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def prose_of(page: Path) -> str:
    """The page without its blocks of code."""
    return FENCED.sub("", read(page))


def anchors_of(page: Path) -> set[str]:
    """The names by which a page's headings are linked to, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", prose_of(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_to_a_file_leads_somewhere(page: Path) -> None:
    links = [link for link in LINK.findall(prose_of(page)) if not link.startswith(("https://", "http://"))]
    dead = []
    for link in links:
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors_of(target)):
            dead.append(link)
    assert dead == []


def test_the_picture_of_the_link_is_the_chart() -> None:
    (picture,) = re.findall(r"^```mermaid\n(.*?)^```", read(ROOT / "README.md"), re.DOTALL | re.MULTILINE)
    drawn = CliRunner().invoke(command, ["chart", "link", "--format", "mermaid"])
    assert picture == drawn.stdout


def test_every_command_of_the_readme_exists() -> None:
    named = set(re.findall(r"(?:^\$ |`)connmon-agent ([a-z]+)", read(ROOT / "README.md"), re.MULTILINE))
    assert named and named <= set(COMMANDS)


def test_every_layer_is_in_the_table_of_contributing() -> None:
    """Every package and every module beside them, and nothing that is not there."""
    rows = re.findall(r"^\| (`[^|]*) \|", read(ROOT / "CONTRIBUTING.md"), re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    modules = {
        entry.stem for entry in PACKAGE.iterdir() if not entry.name.startswith("_") and entry.suffix in ("", ".py")
    }
    assert named == modules
