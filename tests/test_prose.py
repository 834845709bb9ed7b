"""What a person reads is written as kubectl, systemd and Prometheus write: a short list of phrasings is kept out of it.

Read are the strings of the package that hold more than one word (no docstrings, except those that `--help` shows), the
charts, the configuration files, the documentation, and the page with its modules.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]

# Each phrasing with what is wrong with it, or what to write in its place.
BANNED = {
    r"\b(?:no|some|any)body\b": "name who it is (another client, the agent), or use the passive",
    r"\btold\b|\btells? (?:of|nothing)\b": "report, say, or name the value itself",
    r"\bwhat ails\b|\bailing\b|\bails\b": "name the fault",
    r"\bleads? (?:nowhere|a (?:local )?port|to (?:it|the service|them|each|a port|pods))\b": "forwards to",
    r"\bleads (?:a local port )?to\b": "forwards to",
    r"\bway out\b": "default route",
    r"\blast word\b": "takes precedence",
    r"\bhence\b": "so",
    r"\bmeanwhile\b": "say when",
    r"\bby itself\b": "automatically; or leave it out",
    r"\b(?:let|be) be\b": "skip, keep",
    r"\b(?:left|leaves?|leaving) (?:it |them |him |her |services? )?alone\b": "skipped",
    r"\bwhat (?:it|they) promises?\b": "declared properties",
    r"\bstrikes\b": "happens when",
    r"\bTry:": "write the hint as a sentence in the imperative",
    r"\bas? (?:a )?doubt\b|\bon a doubt\b|\bin doubt\b": "say what is not known",
    r"\bblind\b": "monitoring gap",
    r"\b(?:un)?wavering\b": "flapping",
    r"\bvoid\b": "inconclusive",
    r"\bmend(?:s|ed|ing)?\b": "fix",
    r"\battempts? (?:are|is|were) (?:spent|given back)\b|\battempts? back\b": "restarts used, budget reset",
    r"\b(?:ends?|ended|ending|stops?|stopped) in order\b": "shuts down cleanly",
    r"\bat the median\b|\bslowest of twenty\b|\bth percentile\b": "median 4 ms, p95 54 ms",
    r"\btargets that count\b|\bmust answer\b|, \S+ must\b": "1 of 3 counted targets answered, quorum is 2",
    r"\bcan(?:not| be) had\b|\bto be had\b|\bcannot be had\b": "is available, cannot be used",
    r"\btook the restart\b": "accepted the restart",
    r"\bpause is over\b": "backoff elapsed",
    r"\bthe way to (?:the )?(?:API|cluster|internet|server)": "the network path to",
    r"\bon the way\b": "in progress; or name the device in between",
    r"\bNo agent runs\b": "No agent is running",
    r"\bhas lapsed\b|\blapses\b": "expired",
    r"\bit is (?:that|so that)\b|\bnot so that\b": "say it directly",
    r"\bDo so\b": "name the step",
    r"\bjudged? afresh\b|\blook(?:s|ed)? at (?:again|next)\b": "judged again, checked again, next check",
    r"\bcut off by the outage\b": "restart due after the outage",
    r"\basks? for (?:a )?port\b|\basked for (?:a )?port\b": "request",
    r"\bgoes? on (?:and on|for ever)\b": "continues",
    r"\bnothing (?:speaks against|refuses)\b|\bspeaks? against\b": "no condition blocks it",
}
_SEARCH = {re.compile(pattern, re.IGNORECASE): reason for pattern, reason in BANNED.items()}

# Names between backticks, drawn charts, the fields of a chart's reasons, and its lists of guards and actions.
_NAMES = re.compile(r"```mermaid.*?```|`[^`\s]+`|\{\w+\}|(?<=: )\[[\w, ]+\]", re.DOTALL)

_SQL = re.compile(r"\b(?:SELECT|INSERT|UPDATE|DELETE|CREATE|ALTER|PRAGMA)\b")

# Files that are still to be rewritten. None is, and this set only shrinks.
NOT_YET: frozenset[str] = frozenset()


def find_files() -> list[str]:
    """Every file with texts for people, by its path in the repository."""
    found = list((ROOT / "agent/connmon_agent").rglob("*.py"))
    found += [path for folder in ("statecharts", "config") for path in (ROOT / folder).rglob("*") if path.is_file()]
    found += [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    static = ROOT / "agent/connmon_agent/web/static"
    found += [path for path in static.glob("*.*") if path.suffix in (".html", ".js") and path.stem != "uplot"]
    return sorted(path.relative_to(ROOT).as_posix() for path in found)


def read_texts(name: str) -> Iterator[tuple[int, str]]:
    """The texts of a file for people, each with its line."""
    text = (ROOT / name).read_text(encoding="utf-8")
    if name.endswith(".py"):
        yield from read_strings(text)
    else:
        yield 1, _NAMES.sub(lambda match: re.sub(r"[^\n]", "-", match[0]), text)


def read_strings(source: str) -> Iterator[tuple[int, str]]:
    """The strings of a module that hold more than one word, each with its line; of docstrings those of commands."""
    tree = ast.parse(source)
    internal = {id(node) for node in _find_docstrings(tree)}
    parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            text = "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in parts | internal:
            text = node.value
        else:
            continue
        if len(text.split()) > 1 and not _SQL.search(text):
            yield node.lineno, text


def _find_docstrings(tree: ast.AST) -> Iterator[ast.AST]:
    """The docstrings that nobody but a developer reads."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        decorators = [] if isinstance(node, ast.Module) else node.decorator_list
        if any("click" in ast.unparse(one) or ".command" in ast.unparse(one) for one in decorators):
            continue
        if node.body and isinstance(node.body[0], ast.Expr) and isinstance(node.body[0].value, ast.Constant):
            yield node.body[0].value


def find_banned(name: str) -> list[str]:
    """``file:line: 'phrase': reason`` for each banned phrasing in a file."""
    found = []
    for line, text in read_texts(name):
        for pattern, reason in _SEARCH.items():
            for match in pattern.finditer(text):
                at = line + text.count("\n", 0, match.start()) if not name.endswith(".py") else line
                found.append(f"{name}:{at}: {match[0]!r}: {reason}")
    return found


def test_no_text_for_people_has_a_banned_phrasing() -> None:
    assert [one for name in find_files() if name not in NOT_YET for one in find_banned(name)] == []


def test_every_file_that_is_still_to_be_rewritten_has_one() -> None:
    """Take a file out of NOT_YET as soon as it is clean."""
    assert [name for name in sorted(NOT_YET) if not find_banned(name)] == []


def test_strings_are_found_and_docstrings_are_not() -> None:
    source = '''
"""Nobody reads this."""
import click

def one(name):
    """Told to developers."""
    return f"it leads to {name}" "and on", "identifier"

@click.command()
def two():
    """Told by --help."""
'''
    assert {text for _, text in read_strings(source)} == {"it leads to {}and on", "Told by --help."}


def test_each_pattern_can_match() -> None:
    examples = {
        "nobody watched", "what it told", "what ails it", "it leads to it", "the port leads to pods", "the way out is",
        "has the last word", "hence", "meanwhile", "by itself", "let be", "left alone", "what they promise",
        "it strikes two", "Try: again", "on a doubt", "it was blind", "it is wavering", "a void round", "mended",
        "all attempts are spent", "ended in order", "at the median", "2 targets that count", "cannot be had",
        "took the restart", "the pause is over", "the way to the API server", "on the way", "No agent runs",
        "it has lapsed", "it is that", "Do so", "asks for port 1", "goes on for ever", "nothing refuses it",
        "it is judged afresh", "it was cut off by the outage",
    }  # fmt: skip
    assert [one.pattern for one in _SEARCH if not any(map(one.search, examples))] == []
