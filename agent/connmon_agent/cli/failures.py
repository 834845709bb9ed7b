"""The one place where an error becomes words on stderr and an exit code."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import traceback
from collections.abc import Iterator

import click
from click.exceptions import Exit

from ..errors import ConnmonError
from ..redaction import redact
from ..texts import LONGEST_MESSAGE, LONGEST_READ, end_sentence, make_safe

# What writing to a file or a device fails with; every other file of ours is named by its own error.
UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS)
INTERRUPTED = 130  # 128 + SIGINT, as a shell reports it


@contextlib.contextmanager
def translated_errors() -> Iterator[None]:
    """Turn whatever leaves the block into words and an exit code, never a traceback. Wrong usage is left to click."""
    try:
        yield
    except (Exit, click.Abort):
        raise
    except click.UsageError as error:  # it quotes what was typed
        raise click.UsageError(redact(error.format_message()), error.ctx) from error
    except click.ClickException:
        raise
    except ConnmonError as error:
        raise _tell(error.message, hint=error.hint, exit_code=error.exit_code) from error
    except KeyboardInterrupt:
        raise Exit(INTERRUPTED) from None
    except OSError as error:
        if error.errno == errno.EPIPE:  # the reader of a pipe went away: click ends without a word
            raise
        if is_pipe_closing(error, os.name):
            _drop_output()
            raise Exit(1) from error
        raise _explain_os_error(error) from error
    except Exception as error:
        raise _report_mistake(error) from error


def is_pipe_closing(error: OSError, platform: str) -> bool:
    """Whether the reader of a pipe is just going away, which Windows' C library calls an invalid argument.

    (ERROR_NO_DATA, https://bugs.python.org/issue35754.) ``platform`` as ``os.name``.
    """
    return platform == "nt" and error.errno == errno.EINVAL and error.filename is None


def _drop_output() -> None:
    """Let what is still to be flushed at the end go nowhere, as the library reference advises for SIGPIPE."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _tell(message: str, *, hint: str | None, exit_code: int = 1) -> Exit:
    """Write ``Error: ...``, and what to do on a line of its own; returns what ends the command.

    The first line alone says what failed, for programs that read one line.
    """
    # First as a whole: a private key has several lines.
    message = "\n".join(make_safe(line, LONGEST_MESSAGE) for line in redact(message).split("\n"))
    hint = None if hint is None else redact(hint)
    click.echo(f"Error: {message}\n{end_sentence(hint)}" if hint else f"Error: {message}", err=True)
    return Exit(exit_code)


def _explain_os_error(error: OSError) -> Exit:
    if error.filename is not None:
        where = os.fsdecode(error.filename)
        return _tell(f"{where}: {error.strerror}", hint="Check that it exists and that this user has access")
    if error.errno in UNWRITABLE:
        return _tell(f"the output cannot be written: {error.strerror}", hint=None)
    return _report_mistake(error)


def _report_mistake(error: Exception) -> Exit:
    if os.environ.get("CONNMON_DEBUG") == "1":
        sys.stderr.write(make_safe("".join(traceback.format_exception(error)), LONGEST_READ, lines=True) + "\n")
    what = " ".join(f"{type(error).__name__}: {error}".split())
    return _tell(
        f"internal error ({what})",
        hint="Report it, with the output of the same command with CONNMON_DEBUG=1 in the environment",
    )
