"""An example or two of each command, for ``--help`` and the manual pages. A test fails for a command that has none."""

from __future__ import annotations

import sys

import click

PROGRAM = "connmon-agent"

# By the command's name below the program, "" being the program itself.
EXAMPLES: dict[str, tuple[str, ...]] = {
    "": (
        "connmon-agent doctor",
        "connmon-agent --config /etc/connmon-agent/connmon.yaml start",
        "connmon-agent status --watch",
    ),
    "start": ("connmon-agent start", "connmon-agent --config config/system_config.json start --mode background"),
    "stop": ("connmon-agent stop", "connmon-agent stop --force"),
    "restart": ("connmon-agent restart", "connmon-agent restart --force --mode background"),
    "reload": ("connmon-agent reload",),
    "status": ("connmon-agent status", "connmon-agent status --json | jq .link.state", "connmon-agent status --check"),
    "replay": (
        "connmon-agent replay latest",
        "connmon-agent replay --since 2h",
        "connmon-agent replay 3 --verify",
        "connmon-agent replay --what-if link.fall=5",
    ),
    "history": (
        "connmon-agent history",
        "connmon-agent history --csv > outages.csv",
        "connmon-agent history --rounds --since 15m",
    ),
    "report": (
        "connmon-agent report --since 30d --output report.html",
        "connmon-agent report --since 2026-11-01 --until 2026-12-01 --lang de --output bericht.pdf",
        "connmon-agent report --format csv > outages.csv",
    ),
    "explain": ("connmon-agent explain", "connmon-agent explain grafana"),
    "pause": ("connmon-agent pause",),
    "resume": ("connmon-agent resume",),
    "recover": ("connmon-agent recover", "connmon-agent recover grafana jaeger"),
    "rearm": ("connmon-agent rearm grafana",),
    "log": ("connmon-agent log level",),
    "log level": (
        "connmon-agent log level",
        "connmon-agent log level probes=debug --for 10m",
        "connmon-agent log level --reset",
    ),
    "notify": ("connmon-agent notify test", "connmon-agent notify list"),
    "notify list": ("connmon-agent notify list", "connmon-agent notify list --json"),
    "notify drop": ("connmon-agent notify drop 7", "connmon-agent notify drop --all"),
    "notify test": ("connmon-agent notify test", "connmon-agent notify test office"),
    "doctor": ("connmon-agent doctor", "connmon-agent doctor --role | kubectl apply -f -"),
    "ports": ("connmon-agent ports", "connmon-agent ports --json"),
    "url": ("connmon-agent url frontend", 'curl "$(connmon-agent url frontend)/"'),
    "config": ("connmon-agent config check", "connmon-agent config show"),
    "config check": ("connmon-agent config check", "connmon-agent --config new.yaml config check --keys"),
    "config show": ("connmon-agent config show > connmon.yaml",),
    "config schema": ("connmon-agent config schema > connmon.schema.json",),
    "config import": (
        "connmon-agent config import",
        "connmon-agent config import config/system_config.json --output /etc/connmon-agent/connmon.yaml",
    ),
    "web": (
        "connmon-agent web",
        "connmon-agent web --listen 192.0.2.10:9181",
        "connmon-agent --state-dir copy web --listen 127.0.0.1:0",
    ),
    "metrics": (
        "connmon-agent metrics",
        "connmon-agent metrics --textfile /var/lib/prometheus/node-exporter",
    ),
    "service": ("connmon-agent service install", "connmon-agent service status"),
    "service install": (
        "sudo connmon-agent --config /etc/connmon-agent/connmon.yaml service install",
        "connmon-agent service install --user",
        "sudo connmon-agent service install --instance branch",
    ),
    "service uninstall": ("sudo connmon-agent service uninstall",),
    "service show": ("connmon-agent service show > connmon-agent.service",),
    "service status": ("connmon-agent service status",),
    "autostart": ("connmon-agent autostart", "connmon-agent --config /srv/erp/config/system_config.json autostart"),
    "integrate": ("connmon-agent integrate scripts",),
    "chart": ("connmon-agent chart link", "connmon-agent chart service --format dot | dot -Tsvg > service.svg"),
    "demo": ("connmon-agent demo", "connmon-agent demo --keep /tmp/demo"),
    "completion": (
        'eval "$(connmon-agent completion bash)"',
        "connmon-agent completion fish > ~/.config/fish/completions/connmon-agent.fish",
    ),
    "man": ("connmon-agent man | man -l -", "connmon-agent man /usr/local/share/man/man1"),
}


_ON_WINDOWS = {
    "sudo ": "",
    "/etc/connmon-agent/": "C:\\ProgramData\\connmon-agent\\",
    "/srv/erp/config/": "C:\\ERP\\config\\",
    "config/": "config\\",
    "/var/lib/prometheus/node-exporter": r'"C:\Program Files\windows_exporter\textfile_inputs"',
    "/tmp/demo": r"C:\demo",
    "| jq .link.state": "| ConvertFrom-Json",
}


def add_examples(command: click.Command, name: str) -> None:
    """Put the examples of ``command``, which is ``name`` below the program, and of all below it under their help."""
    examples = examples_of(name)
    if examples and command.epilog is None:
        command.epilog = "\n".join(("\b", "Example:" if len(examples) == 1 else "Examples:", *_indent(examples)))
    if isinstance(command, click.Group):
        for below, found in command.commands.items():
            add_examples(found, f"{name} {below}".strip())


def examples_of(name: str, platform: str = sys.platform) -> tuple[str, ...]:
    """The examples of the command ``name``, as one types them on ``platform`` (as ``sys.platform``)."""
    examples = EXAMPLES.get(name, ())
    return tuple(map(_write_for_windows, examples)) if platform == "win32" else examples


def _write_for_windows(example: str) -> str:
    """The same with the places of Windows, where an administrator's console takes the place of ``sudo``."""
    for ours, theirs in _ON_WINDOWS.items():
        example = example.replace(ours, theirs)
    return example


def _indent(lines: tuple[str, ...]) -> list[str]:
    return [f"  {line}" for line in lines]
