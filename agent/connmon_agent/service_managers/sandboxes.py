"""What systemd keeps a service of ours from, whichever it is: the agent and the page differ in what they need."""

from __future__ import annotations

from dataclasses import asdict, dataclass

_SANDBOX = """\
UMask=0077
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
DevicePolicy=closed
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectClock=yes
ProtectHostname=yes
ProtectProc=invisible
ProcSubset={processes}
RestrictAddressFamilies={families}
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
RemoveIPC=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM
LimitNOFILE={files}
TasksMax={tasks}
MemoryMax={memory}"""

# Of these, what a manager without privileges can do.
USER_SANDBOX = """\
UMask=0077
NoNewPrivileges=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
SystemCallArchitectures=native
TasksMax={tasks}"""


@dataclass(frozen=True, slots=True)
class Needs:
    """What a service may use: ``processes`` as of ProcSubset=, families of sockets, and its limits."""

    processes: str
    families: str
    files: int
    tasks: int
    memory: str


def write_sandbox(needs: Needs) -> str:
    """The directives of a service of the machine."""
    return _SANDBOX.format(**asdict(needs))
