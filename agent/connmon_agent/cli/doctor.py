"""``connmon-agent doctor``: everything that could stop the agent from doing its job, each with its remedy."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from . import screens
from .invocations import Invocation
from .outputs import echo_json
from .rendering.tones import Tone
from .wording import wrap

if TYPE_CHECKING:
    from ..runtime.findings import Finding
    from ..settings import Settings

MARKS = {"good": "ok", "note": "--", "warning": "!!", "problem": "XX"}
TONES = {"good": Tone.GOOD, "note": Tone.PLAIN, "warning": Tone.UNSURE, "problem": Tone.BAD}
INDENT = "    "
LEGEND = "ok: good, --: information, !!: warning, XX: problem"


@click.command(short_help="Check what the agent needs.")
@click.option("--json", is_flag=True, help="One JSON document.")
@click.option("--role", is_flag=True, help="Print the Roles and bindings the agent needs, for kubectl apply.")
@click.pass_context
def doctor(ctx: click.Context, json: bool, role: bool) -> None:
    """Check everything the agent needs, and print a remedy for each problem.

    It probes the targets once, reads the cluster's permissions and services, and changes nothing. Exits with 1 if there
    is a problem.
    """
    from ..runtime.loops import run  # not for --help

    invocation: Invocation = ctx.obj
    settings = invocation.settings()
    if role:
        _print_role(settings)
        return
    findings = run(_examine(settings, quiet=json))
    if json:
        echo_json(_document(findings))
    else:
        click.echo(f"{_sum_up(findings)}\n{LEGEND}")
    if any(finding.health == "problem" for finding in findings):
        ctx.exit(1)


async def _examine(settings: Settings, *, quiet: bool) -> list[Finding]:
    from ..runtime.examinations import examine  # not for --help

    findings: list[Finding] = []
    alike: list[Finding] = []  # the newest, all with one remedy, which is shown below the last of them
    async for finding in examine(settings):
        findings.append(finding)
        if alike and finding.remedy != alike[0].remedy:
            _show_remedy(alike, quiet=quiet)
            alike = []
        alike.append(finding)
        if not quiet:
            _show(finding)
    _show_remedy(alike, quiet=quiet)
    return findings


def _show(finding: Finding) -> None:
    mark = screens.painter()(MARKS[finding.health], TONES[finding.health])
    first, *more = wrap(f"{finding.about}: {finding.text}", width=screens.width_of_output(), indent=INDENT)
    click.echo("\n".join([f"{mark}  {first.removeprefix(INDENT)}", *more]))


def _show_remedy(alike: list[Finding], *, quiet: bool) -> None:
    """What to do about ``alike``, once, with the names of all where there are several."""
    if quiet or not alike or alike[0].remedy is None:
        return
    names = f"{', '.join(finding.about for finding in alike)}: " if len(alike) > 1 else ""
    for line in wrap(f"-> {names}{alike[0].remedy}", width=screens.width_of_output(), indent=INDENT):
        click.echo(line)


def _sum_up(findings: list[Finding]) -> str:
    problems = sum(finding.health == "problem" for finding in findings)
    warnings = sum(finding.health == "warning" for finding in findings)
    if not problems and not warnings:
        return "\nNo problems found."
    return f"\n{problems} problem{'' if problems == 1 else 's'}, {warnings} warning{'' if warnings == 1 else 's'}."


def _document(findings: list[Finding]) -> dict[str, object]:
    return {"schema": 1, "findings": [asdict(finding) for finding in findings]}


def _print_role(settings: Settings) -> None:
    from ..kube.permissions import list_permissions, role_manifest  # not for --help

    subject = {"kind": "ServiceAccount", "name": "connmon-agent", "namespace": settings.kubernetes.namespace}
    click.echo(role_manifest(list_permissions(settings.plan.services), subject=subject), nl=False)
