"""The keys of the ERP's ``system_config.json`` that are read, what each becomes, and how its value is read.

PowerShell and people write some values otherwise than JSON would have them: arithmetic on what ``Read-Host`` returned
gives text, ``ConvertTo-Json`` turns what lies deeper than its ``-Depth`` into text, and a list of one item into that
item. They are accepted where only one meaning is possible. Like every reader, these note a mistake and raise Rejected.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..settings import MODES
from .file_paths import read_windows_path
from .keys import MOST_ALTERNATIVES, MOST_ATTEMPTS, ROOT
from .nodes import ListNode, ScalarNode, interpret_plain
from .values import (
    FLAG,
    MOST_ITEMS,
    OBJECT_NAME,
    PORT,
    Duration,
    Flag,
    ListOf,
    Reader,
    T,
    Value,
    ValueType,
    WholeNumber,
    join_choices,
)

DEPTH_REMEDY = "write the file again with ConvertTo-Json -Depth 10"

# What .NET prints of a list or an object that ConvertTo-Json did not go into.
_CUT_OFF = re.compile(r"@\{|System\.\w+(\.\w+)*(\[\])?$")
_DECIMAL = re.compile(r"[0-9]+[.,][0-9]+")
_THOUSANDS = re.compile(r"[0-9]+[.,][0-9]{3}")  # 1,000 is a thousand in English and one in German
_FLAGS = {"true": True, "1": True, "false": False, "0": False}


def not_cut_off(read: Reader[T]) -> Reader[T]:
    """A reader that says so where PowerShell left only a type's name or ``@{...}`` of the value."""

    def read_whole(value: Value) -> T:
        if isinstance(value.node, ScalarNode) and _CUT_OFF.match(value.node.text):
            value.reject("was cut off by PowerShell", DEPTH_REMEDY)
        return read(value)

    return read_whole


class Loose(ValueType[T]):
    """What ``type`` takes, also as PowerShell may have written it."""

    def __init__(self, type: ValueType[T]) -> None:
        self.type = type

    def read(self, value: Value) -> T:
        read: Reader[Any] = self.type.read
        if isinstance(self.type, Flag):
            read = _read_flag
        elif isinstance(self.type, Duration):
            read = _seconds(self.type.low, self.type.high)
        elif isinstance(self.type, WholeNumber):
            value = _unquote(value)
        found: T = read(value)
        return found


def _seconds(low: float, high: float) -> Reader[float]:
    """A reader of numbers of seconds, in quotes or not, with a point or a comma. The ERP's format has no units."""

    def read(value: Value) -> float:
        number = _unquote(value).scalar("a number of seconds").value
        if isinstance(number, bool) or not isinstance(number, int | float):
            value.reject("must be a number of seconds", "write it without quotes and unit: 30")
        if not low <= number <= high:
            value.reject("is out of range", f"write a number of seconds from {low:g} to {high:g}")
        return float(number)

    return read


def _read_flag(value: Value) -> bool:
    """``true`` or ``false``, in quotes or not and in any case, or 1 or 0."""
    scalar = value.scalar("true or false")
    meant = _FLAGS.get(scalar.text.strip().lower())
    return FLAG.read(value) if meant is None else meant


def loose_list(type: ValueType[T], *, most: int = MOST_ITEMS) -> Reader[tuple[T, ...]]:
    """Reads lists of at most ``most`` items without blanks: also ``"8081 8082"``, ``"8081, 8082"`` or one item."""
    items = ListOf(Loose(type), most=most)

    def read_list(value: Value) -> tuple[T, ...]:
        return items.read(_replace(value, _split))

    return not_cut_off(read_list)


def _split(node: ScalarNode) -> ListNode | ScalarNode:
    if node.is_null:
        return node
    if not node.quoted:
        return ListNode(node.line, [node])
    words = node.text.replace(",", " ").split()
    return ListNode(node.line, [ScalarNode(word, word, node.line, quoted=True) for word in words])


def _unquote(value: Value) -> Value:
    return _replace(value, _interpret)


def _interpret(node: ScalarNode) -> ScalarNode:
    """The number that a text in quotes is; the node itself where it is none, or not sure."""
    text = node.text.strip()
    if not node.quoted or _THOUSANDS.fullmatch(text):
        return node
    number = interpret_plain(text.replace(",", ".") if _DECIMAL.fullmatch(text) else text, node.line)
    return number if isinstance(number.value, int | float) and not isinstance(number.value, bool) else node


def _replace(value: Value, change: Callable[[ScalarNode], ScalarNode | ListNode]) -> Value:
    node = value.node
    return Value(value.problems, value.key, change(node)) if isinstance(node, ScalarNode) else value


def _read_attempts(value: Value) -> int:
    attempts = Loose(WholeNumber(0, MOST_ATTEMPTS)).read(value)
    if attempts == 0:
        value.reject(
            "would restart nothing", f'write "EnableAutoRestart": false to restart nothing, or 1 to {MOST_ATTEMPTS}'
        )
    return attempts


def _read_names(value: Value) -> tuple[str, ...]:
    names = loose_list(OBJECT_NAME)(value)
    repeated = {name for index, name in enumerate(names) if name in names[:index]}
    if repeated:
        value.reject(f"{', '.join(sorted(repeated))} is listed twice", "name each service once")
    return names


def _read_string(value: Value) -> str:
    scalar = value.scalar("text")
    if not isinstance(scalar.value, str):
        value.reject("must be text", f'put it in quotes: "{scalar.text}"')
    if any("\ud800" <= character <= "\udfff" for character in scalar.value):
        value.reject("is not UTF-8 text", "save the file as UTF-8")
    if scalar.value and not scalar.value.isprintable():
        value.reject("contains a character that cannot be printed", r"write each backslash twice: C:\\ERP\\logs")
    return scalar.value


def _read_folder(value: Value) -> Path | None:
    return None if _is_null(value) else read_windows_path(value, _read_string(value))


def _read_script(value: Value) -> str | None:
    """Not expanded: a variable of Windows in a key that has no effect must not keep the agent from starting."""
    return None if _is_null(value) else _read_string(value)


def _is_null(value: Value) -> bool:
    return isinstance(value.node, ScalarNode) and value.node.is_null


def _read_mode(value: Value) -> str:
    return _read_word(value, {mode: mode for mode in MODES}, [mode.title() for mode in MODES])


def _read_level(value: Value) -> str:
    return _read_word(value, _LEVELS, ("Debug", "Info", "Warning", "Error"))


def _read_word(value: Value, meanings: dict[str, str], shown: Sequence[str]) -> str:
    text = value.scalar("a word").text
    if text.lower() not in meanings:
        value.reject("is none of the choices", f"write {join_choices(shown)}")
    return meanings[text.lower()]


_LEVELS = {  # as .NET, PowerShell and Serilog name them
    **dict.fromkeys(("verbose", "trace", "debug"), "debug"),
    **dict.fromkeys(("info", "information"), "info"),
    **dict.fromkeys(("warn", "warning"), "warning"),
    **dict.fromkeys(("error", "critical", "fatal"), "error"),
}


class SystemKey(NamedTuple):
    """One key of the file. ``path`` is its own, ``becomes`` that of our key, "" where it is none or more than one.

    ``read`` None: by the type of our key. ``help`` says, in Markdown, what differs from our key.
    """

    path: str
    becomes: str = ""
    help: str = ""
    read: Reader[Any] | None = None

    @property
    def section(self) -> str:
        """The section that holds it."""
        return self.path.partition(".")[0]

    @property
    def name(self) -> str:
        """Its name in its section."""
        return self.path.partition(".")[2]

    @property
    def reader(self) -> Reader[Any]:
        """What reads its value."""
        return self.read if self.read is not None else Loose(ROOT.find(self.becomes).type).read


SYSTEM_KEYS = (
    SystemKey("ConnectionMonitor.Enabled", "start.enabled"),
    SystemKey("ConnectionMonitor.AutoStart", "start.autostart"),
    SystemKey("ConnectionMonitor.Mode", "start.mode", read=_read_mode),
    SystemKey("ConnectionMonitor.CheckInterval", "link.check_interval", "in seconds"),
    SystemKey("ConnectionMonitor.MaxRestartAttempts", "recovery.max_restart_attempts", read=_read_attempts),
    SystemKey(
        "ConnectionMonitor.ServicesToMonitor",
        help="the services, in this order, each a Deployment; default: the ERP's seven",
        read=_read_names,
    ),
    SystemKey(
        "ConnectionMonitor.ScriptPath", help="no effect: connmon-agent runs in place of this script", read=_read_script
    ),
    SystemKey("Kubernetes.Namespace", "kubernetes.namespace"),
    SystemKey("Kubernetes.EnableAutoRestart", "recovery.act"),
    SystemKey("Logging.LogDir", "logging.dir", "a relative path starts at the folder above `config/`", _read_folder),
    SystemKey("Logging.Level", "logging.level", ".NET's and PowerShell's names are understood", _read_level),
    SystemKey("Logging.MaxFileSize", "logging.max_file_size", "in MB"),
    SystemKey("Logging.MaxFiles", "logging.max_files"),
    SystemKey("Logging.EnableConsoleOutput", "logging.console"),
    SystemKey("Logging.EnableEventLog", "logging.event_log", "no effect elsewhere than on Windows"),
)
# Beside these, Kubernetes.PortForwardConfig.NAME with the keys Primary and Alternatives: the ports of a service.
read_port = Loose(PORT).read
read_alternatives = loose_list(PORT, most=MOST_ALTERNATIVES)
