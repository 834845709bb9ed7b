"""Errors become words and exit codes in one place, and no traceback reaches a user."""

import errno
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner, Result

from connmon_agent import errors
from connmon_agent.cli.failures import is_pipe_closing
from connmon_agent.cli.groups import RootGroup
from connmon_agent.texts import LONGEST_MESSAGE, LONGEST_REASON


def end_with(error: BaseException, *, environment: dict[str, str] | None = None) -> Result:
    """What a command shows that ends by ``error``."""

    @click.group(cls=RootGroup, lazy={})
    def root() -> None:
        """Nothing of its own."""

    @root.command()
    def work() -> None:
        raise error

    return CliRunner().invoke(root, ["work"], env={"CONNMON_DEBUG": "", **(environment or {})})


USAGE = "Usage: root work [OPTIONS]\nTry 'root work --help' for help.\n\n"

problem = errors.Problem("c.yaml", 3, "link.fall", "must be a number", value="x")


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (errors.StoreError("the disk is full", hint="Free some"), 1, "Error: the disk is full\nFree some.\n"),
        (errors.NotRunning("no agent runs here"), 3, "Error: no agent runs here\n"),
        (errors.Divergence("event 7"), 4, "Error: event 7\n"),
        (errors.Divergence("event 7\n  now: no", hint="Ask."), 4, "Error: event 7\n  now: no\nAsk.\n"),
        (errors.ConfigurationError([problem]), 2, "Error: c.yaml:3: link.fall: must be a number (got x)\n"),
        (
            click.UsageError("not so"),
            2,
            "Usage: root work [OPTIONS]\nTry 'root work --help' for help.\n\nError: not so\n",
        ),
        (KeyboardInterrupt(), 130, ""),
        (BrokenPipeError(32, "Broken pipe"), 1, ""),
        (
            PermissionError(13, "Permission denied", "/etc/x"),
            1,
            "Error: /etc/x: Permission denied\nCheck that it exists and that this user has access.\n",
        ),
        (
            KeyError("frontend\nend"),
            1,
            "Error: internal error (KeyError: 'frontend\\nend')\n"
            "Report it, with the output of the same command with CONNMON_DEBUG=1 in the environment.\n",
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)
def test_each_error_has_its_words_and_its_code(error: BaseException, code: int, words: str) -> None:
    result = end_with(error)
    assert (result.exit_code, result.stdout, result.stderr) == (code, "", words)


def test_the_traceback_of_our_own_mistake_is_shown_on_request() -> None:
    result = end_with(ZeroDivisionError("oops"), environment={"CONNMON_DEBUG": "1"})
    assert "Traceback (most recent call last)" in result.stderr
    *_, error, hint = result.stderr.splitlines()
    assert error == "Error: internal error (ZeroDivisionError: oops)"
    assert hint.startswith("Report it, ")
    assert result.exit_code == 1


def test_an_error_of_any_length_is_told_in_a_bounded_line() -> None:
    told = end_with(errors.StoreError("x" * 3_000_000 + "\nsecond", hint="y" * 1000)).output
    assert len(told) < 2 * LONGEST_MESSAGE
    assert "3000000 characters in all" in told and "second" in told


PLANTED = "\x1b[2J\u202e\0: Authorization: Bearer hunter2S3cr3t at https://u:hunter2S3cr3t@h/"


@pytest.mark.parametrize(
    "error",
    [
        errors.ConnmonError(PLANTED, hint=PLANTED),
        errors.StoreError(PLANTED),
        errors.ClusterError("protocol", PLANTED, hint=PLANTED),
        errors.ConfigurationError([errors.Problem(PLANTED, 3, PLANTED, PLANTED, PLANTED, PLANTED)]),
        PermissionError(13, "Permission denied", PLANTED),
        ValueError(PLANTED),
    ],
    ids=lambda error: type(error).__name__,
)
def test_no_error_brings_a_credential_or_a_command_for_the_terminal(error: Exception) -> None:
    told = end_with(error).output
    assert "hunter2S3cr3t" not in told and "***" in told
    assert all(line.isprintable() for line in told.splitlines())


def test_what_a_server_or_a_plugin_wrote_is_bounded_where_it_becomes_an_error() -> None:
    error = errors.ClusterError("credentials", "x" * 3_000_000, hint="y" * 3_000_000)
    assert (len(error.message), len(error.hint or "")) == (LONGEST_REASON, LONGEST_REASON)


@pytest.mark.parametrize(
    ("error", "platform", "closing"),
    [
        (OSError(errno.EINVAL, "Invalid argument"), "nt", True),
        (OSError(errno.EINVAL, "Invalid argument", "file"), "nt", False),
        (OSError(errno.EACCES, "Permission denied"), "nt", False),
        (OSError(errno.EINVAL, "Invalid argument"), "posix", False),
    ],
)
def test_a_closing_pipe_is_an_invalid_argument_on_windows_alone(error: OSError, platform: str, closing: bool) -> None:
    assert is_pipe_closing(error, platform) is closing


def test_a_reader_that_goes_away_ends_a_command_without_a_word() -> None:
    """As `connmon-agent chart | more` where it is quit, on every platform."""
    command = [sys.executable, "-m", "connmon_agent", "chart"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        assert (process.stderr.read(), process.wait(60)) == (b"", 1)
