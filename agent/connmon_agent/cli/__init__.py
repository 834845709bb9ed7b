"""The command line: options in, one call of the layers below, words and an exit code out."""

from __future__ import annotations

import os
from pathlib import Path

import click

from .. import __version__
from .examples import add_examples
from .groups import RootGroup
from .invocations import Invocation
from .outputs import prepare_outputs

COMMANDS = {
    "start": "start:start",
    "stop": "stop:stop",
    "restart": "stop:restart",
    "reload": "stop:reload",
    "status": "status:status",
    "replay": "replay:replay",
    "history": "history:history",
    "report": "report:report",
    "explain": "explain:explain",
    "metrics": "metrics:metrics",
    "web": "web:web",
    "pause": "operate:pause",
    "resume": "operate:resume",
    "recover": "operate:recover",
    "rearm": "operate:rearm",
    "notify": "notify:notify",
    "log": "log:log",
    "doctor": "doctor:doctor",
    "ports": "ports:ports",
    "url": "url:url",
    "config": "config:config",
    "autostart": "autostart:autostart",
    "integrate": "integrate:integrate",
    "chart": "chart:chart",
    "service": "service:service",
    "demo": "demo:demo",
    "completion": "completion:completion",
    "man": "man:man",
}


@click.group(
    cls=RootGroup,
    lazy=COMMANDS,
    context_settings={"auto_envvar_prefix": "CONNMON", "help_option_names": ["-h", "--help"]},
)
@click.option(
    "--config",
    "config_path",
    envvar="CONNMON_CONFIG",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Configuration file (.yaml, or the ERP's .json).  [default: ./config/connmon.yaml, else the platform's, "
    "else ./config/system_config.json, else built-in defaults]",
)
@click.option(
    "--state-dir",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Directory of the state file.  [default: as the configuration says]",
)
@click.version_option(__version__, prog_name="connmon-agent")
@click.pass_context
def connmon_agent(ctx: click.Context, config_path: Path | None, state_dir: Path | None) -> None:
    """Watch the internet link and restart Kubernetes services after an outage.

    Every option can also be set in the environment: --state-dir as CONNMON_STATE_DIR, an option of a command as
    CONNMON_COMMAND_OPTION.
    """
    ctx.obj = Invocation(config_path=config_path, state_dir=state_dir)


add_examples(connmon_agent, "")


def main() -> None:
    """Run the command line of this process."""
    prepare_outputs()
    if "_CONNMON_AGENT_COMPLETE" in os.environ:
        from .completion import answer  # only where a shell completes

        answer(connmon_agent)
    connmon_agent(prog_name="connmon-agent")
