"""The command ``connmon-agent``, also as ``python -m connmon_agent``."""

from __future__ import annotations

import signal


def main() -> None:
    """The console script. While it is still being imported, Ctrl-C ends it without a word, not with a traceback."""
    interruptible = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # not so behind nohup or `&`
    if interruptible:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from .cli import main as run_command  # Ctrl-C must not meet a half imported program

    if interruptible:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    run_command()


if __name__ == "__main__":
    main()
