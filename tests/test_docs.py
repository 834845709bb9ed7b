"""What the pages say of the code is held against the code."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.fakes.calls import find_calls, find_mistake

import connmon_agent
from connmon_agent.cli import connmon_agent as command

ROOT = Path(__file__).parents[1]
PACKAGE = Path(connmon_agent.__file__).parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])

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
    (picture,) = re.findall(r"^```mermaid\n(.*?)^```", read(ROOT / "docs" / "statecharts.md"), re.DOTALL | re.MULTILINE)
    drawn = CliRunner().invoke(command, ["chart", "link", "--format", "mermaid"])
    assert picture == drawn.stdout


def code_of(page: Path) -> list[str]:
    """The lines of the page's blocks of code, and what stands between backticks in its text."""
    blocks = [line for block in FENCED.findall(read(page)) for line in block.splitlines()[1:-1]]
    indented = re.findall(r"^ {4}(.*)$", prose_of(page), re.MULTILINE)
    return [*blocks, *indented, *re.findall(r"`([^`]+)`", prose_of(page))]


def calls_in(page: Path) -> list[list[str]]:
    return [words for code in code_of(page) for words in find_calls(" ".join(code.split()))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_that_a_page_shows_exists(page: Path) -> None:
    assert [mistake for words in calls_in(page) if (mistake := find_mistake(words))] == []


def test_the_calls_of_the_readme_are_found() -> None:
    assert ["config", "check"] in calls_in(ROOT / "README.md")


def test_the_german_page_shows_the_same_commands_keys_and_headings_as_the_english_one() -> None:
    english, german = ROOT / "docs" / "from-powershell.md", ROOT / "docs" / "de" / "von-powershell.md"
    assert FENCED.findall(read(german)) == FENCED.findall(read(english))
    words = [{word for word in code_of(page) if re.fullmatch(r"[\w.%$: -]+", word)} for page in (english, german)]
    assert words[0] ^ words[1] <= {
        "start_connection_monitor -Mode MODE -Force",
        "start_connection_monitor -Mode MODUS -Force",
    }
    levels = [re.findall(r"^#+", prose_of(page), re.MULTILINE) for page in (english, german)]
    assert levels[0] == levels[1]
    assert sum(level == "###" for level in levels[0]) == 7, "the most likely problems"


def test_every_layer_is_in_the_table_of_contributing() -> None:
    """Every package and every module beside them, and nothing that is not there."""
    rows = re.findall(r"^\| (`[^|]*) \|", read(ROOT / "CONTRIBUTING.md"), re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    modules = {
        entry.stem for entry in PACKAGE.iterdir() if not entry.name.startswith("_") and entry.suffix in ("", ".py")
    }
    assert named == modules


def test_every_term_of_the_glossary_lives_where_it_says() -> None:
    glossary = (ROOT / "CONTRIBUTING.md").read_text("utf-8").partition("## Glossary")[2].partition("\n## ")[0]
    rows = [line.split("|")[1:-1] for line in glossary.splitlines() if line.startswith("| ") and "`" in line]
    places = [place for row in rows for place in re.findall(r"`([^`]+)`", row[-1])]
    assert len(places) >= 40
    folders = (ROOT, PACKAGE)
    assert [place for place in places if not any((folder / place).exists() for folder in folders)] == []
