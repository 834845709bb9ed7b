"""Credential plugins: programs that a kubeconfig names (``exec``) and that print a token or a client certificate.

Protocol: https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins
"""

from __future__ import annotations

import base64
import errno
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..program_runner import ProgramRunner
from .annotations import parse_time
from .kubeconfig import Access, refuse
from .kubeconfig_types import CREDENTIAL, find_misfit

TIMEOUT = 10.0  # seconds; without one a plugin that waits for a browser would hold the agent for ever
EXPIRY_SLACK = 60.0  # seconds before its end at which a credential is renewed


def ask_plugin(
    access: Access, *, timeout: float = TIMEOUT, runner: ProgramRunner | None = None
) -> tuple[Access, float | None]:
    """``access`` with the plugin's credentials, and the Unix seconds at which to ask again (None: they do not expire).

    ``timeout`` (seconds) ends a plugin that does not end by itself; ``runner`` is who runs it, so that it can be ended
    from elsewhere (None: it cannot). Raises ClusterError (credentials).
    """
    if access.plugin is None:
        return access, None
    output = _run(access, access.plugin, timeout, runner or ProgramRunner())
    status = _parse(output, str(access.plugin.get("command")))
    expires = parse_time(status.get("expirationTimestamp"))
    authorization = f"Bearer {status['token'].strip()}" if status.get("token") else access.authorization
    certified = replace(
        access,
        authorization=authorization,
        certificate=status.get("clientCertificateData") or access.certificate,
        key=status.get("clientKeyData") or access.key,
    )
    return certified, None if expires is None else expires - EXPIRY_SLACK


def _describe_cluster(access: Access) -> dict[str, Any]:
    """What a plugin with ``provideClusterInfo`` is given; nothing of it is secret."""
    described = {
        "server": access.server,
        "tls-server-name": access.server_name,
        "insecure-skip-tls-verify": None if access.verify else True,
        "certificate-authority-data": access.authority and base64.b64encode(access.authority.encode()).decode(),
        "proxy-url": access.proxy,
        "config": access.plugin_config,
    }
    return {key: value for key, value in described.items() if value is not None}


def _run(access: Access, plugin: Mapping[str, Any], timeout: float, runner: ProgramRunner) -> str:
    command = str(plugin.get("command"))
    if plugin.get("interactiveMode") == "Always":
        raise refuse(f"the credential plugin {command} needs a terminal (interactiveMode: Always)", _hint(plugin))
    spec: dict[str, Any] = {"interactive": False}
    if plugin.get("provideClusterInfo"):
        spec["cluster"] = _describe_cluster(access)
    info = {"apiVersion": plugin.get("apiVersion"), "kind": "ExecCredential", "spec": spec}
    given = {str(item.get("name")): str(item.get("value")) for item in plugin.get("env") or ()}
    if sys.platform == "win32":  # whose names of variables are in capitals, whatever was typed
        given = {name.upper(): value for name, value in given.items()}
    environment = {**os.environ, **given, "KUBERNETES_EXEC_INFO": json.dumps(info)}
    try:
        line = _write_line(command, list(map(str, plugin.get("args") or ())), access.base, environment)
        done = runner.run(line, environment=environment, timeout=timeout)
    except subprocess.TimeoutExpired as error:
        raise refuse(f"the credential plugin {command} did not exit within {timeout:g} s", _hint(plugin)) from error
    except FileNotFoundError as error:
        where = f"{access.base / command} does not exist" if _is_path(command) else "it is not in the PATH of the agent"
        raise refuse(f"the credential plugin {command} cannot be run: {where}", _hint(plugin)) from error
    except OSError as error:
        raise refuse(f"the credential plugin {command} cannot be run: {error.strerror}", _hint(plugin)) from error
    if done.returncode != 0:
        said = (done.stderr.strip().splitlines() or ["no output"])[-1]
        raise refuse(f"the credential plugin {command} failed with status {done.returncode}: {said}", _hint(plugin))
    return done.stdout


def _write_line(command: str, arguments: list[str], base: Path, environment: Mapping[str, str]) -> list[str] | str:
    """What the system is asked to run. Raises OSError where it is certain that it cannot."""
    if sys.platform != "win32":
        return [str(base / command) if _is_path(command) else command, *arguments]
    from . import windows_programs  # Windows alone has it

    program = windows_programs.find_program(command, base, environment)
    if program is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), command)
    try:
        return windows_programs.write_command_line(program, arguments, environment)
    except ValueError as error:
        raise OSError(errno.EINVAL, str(error)) from error


def _is_path(command: str) -> bool:
    """Whether it lies beside the kubeconfig, and is not looked for in PATH."""
    return os.sep in command or (os.altsep is not None and os.altsep in command)


def _parse(output: str, command: str) -> dict[str, Any]:
    try:
        answer = json.loads(output)
    except (ValueError, RecursionError) as error:
        raise refuse(f"the credential plugin {command} did not print JSON") from error
    status = answer.get("status") if isinstance(answer, dict) else None
    if not isinstance(status, dict) or not (status.get("token") or status.get("clientCertificateData")):
        raise refuse(f"the credential plugin {command} printed neither a token nor a client certificate")
    if misfit := find_misfit(status, CREDENTIAL):
        raise refuse(f"the credential plugin {command} printed a status where {misfit}")
    return status


def _hint(plugin: Mapping[str, Any]) -> str:
    advice = str(plugin.get("installHint") or "").strip()
    return " ".join(advice.split()) or "Run it by hand as the agent's user"
