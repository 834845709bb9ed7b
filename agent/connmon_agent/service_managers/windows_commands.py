"""Command lines that Windows itself starts, without the environment of whoever installed them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click

from .. import __file__ as package_file
from ..errors import ConnmonError
from .interface import Installation


def own_interpreter(*, window: bool = True) -> str:
    """The interpreter itself. The python.exe and connmon-agent.exe of a virtual environment only start it, and the
    service control manager would wait for word of them. ``window`` False: the one that opens no console, where it is.
    """
    base: str = getattr(sys, "_base_executable", None) or sys.executable
    silent = Path(base).with_name("pythonw.exe")
    return str(silent) if not window and silent.is_file() else base


def write_arguments(installation: Installation, *words: str) -> str:
    """The arguments with which ``own_interpreter`` runs connmon-agent with ``words``, wherever it is installed.

    Nothing of it depends on variables or the working directory. Raises ConnmonError where a path cannot be written.
    """
    folders = dict.fromkeys(str(Path(file).parents[1]) for file in (package_file, str(click.__file__)))
    code = ["import os,site"]
    if installation.kubeconfig is not None:
        code.append(f"os.environ.setdefault('KUBECONFIG',{str(installation.kubeconfig)!r})")
    code += [f"site.addsitedir({folder!r})" for folder in folders]
    code += ["from connmon_agent.__main__ import main", "main()"]
    options = ["--config", str(installation.config)]
    if installation.state_dir is not None:
        options += ["--state-dir", str(installation.state_dir)]
    # -S: what the interpreter of a virtual environment has of its own is of other versions.
    line = subprocess.list2cmdline(["-I", "-S", "-c", ";".join(code), *options, *words])
    if "%" in line:  # Windows takes it for the name of a variable, and knows no way to write it
        raise ConnmonError("a path with % in it cannot be started by Windows", hint=f"Rename it: {line}")
    return line
