"""The texts themselves, read by those who will read them."""

from __future__ import annotations

import os
import plistlib
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.service_managers.hosts import INSTALLATION, FakeCommands, a_host, for_user

from connmon_agent.seals import Ownership, judge, seal
from connmon_agent.service_managers.interface import Installation
from connmon_agent.service_managers.launchd import Launchd
from connmon_agent.service_managers.systemd_units import write_unit

pytestmark = pytest.mark.linux_alone(reason="units of systemd, with paths of Unix")

K3S = Path("/etc/rancher/k3s/k3s.yaml")
INSTALLATIONS = {
    "plain": INSTALLATION,
    "credentials": replace(INSTALLATION, kubeconfig=K3S, credentials=(K3S, Path("/root/.minikube/client 1.key"))),
    "group": replace(INSTALLATION, state_group="adm"),
    "low ports": replace(INSTALLATION, low_ports=True),
    "instance": replace(INSTALLATION, instance="branch", config=Path("/etc/connmon-agent/branch.yaml")),
    "user": for_user(),
}

needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")


def lines(installation: Installation) -> list[str]:
    return write_unit(installation).splitlines()


def test_words_are_quoted_as_systemd_reads_them() -> None:
    odd = replace(INSTALLATION, command=("/opt/a b/bin/x",), config=Path('/etc/50%/"$HOME"/c.yaml'))
    (start,) = [line for line in lines(odd) if line.startswith("ExecStart=")]
    assert start == 'ExecStart="/opt/a b/bin/x" --config "/etc/50%%/\\"$$HOME\\"/c.yaml" start --mode service'


def test_files_of_root_are_handed_over_by_name() -> None:
    unit = lines(INSTALLATIONS["credentials"])
    assert f"Environment=KUBECONFIG={K3S}" in unit
    assert f"LoadCredential=etc+rancher+k3s+k3s.yaml:{K3S}" in unit
    assert not [line for line in lines(INSTALLATION) if line.startswith(("Environment", "LoadCredential"))]


def test_a_group_that_reads_the_state_needs_a_user_that_stays() -> None:
    unit = lines(INSTALLATIONS["group"])
    assert {"User=connmon-agent", "Group=adm", "StateDirectoryMode=0750"} < set(unit) and "DynamicUser=yes" not in unit
    assert {"DynamicUser=yes", "StateDirectoryMode=0700"} < set(lines(INSTALLATION))


def test_only_low_ports_give_it_a_capability() -> None:
    assert [line for line in lines(INSTALLATION) if "Capabilit" in line] == [
        "CapabilityBoundingSet=",
        "AmbientCapabilities=",
    ]
    assert "AmbientCapabilities=CAP_NET_BIND_SERVICE" in lines(INSTALLATIONS["low ports"])


def test_every_file_of_an_instance_is_named_after_it() -> None:
    text = write_unit(INSTALLATIONS["instance"])
    assert "branch" not in text
    for part in (
        "--config /etc/connmon-agent/%i.yaml start",
        "KUBECONFIG=/etc/connmon-agent/%i.kubeconfig",
        "LoadCredential=etc+connmon-agent+%i.kubeconfig:/etc/connmon-agent/%i.kubeconfig",
        "StateDirectory=connmon-agent-%i",
        "User=connmon-agent-%i",
    ):
        assert part in text


@needs_systemd
@pytest.mark.parametrize("name", INSTALLATIONS)
def test_systemd_finds_nothing_wrong(tmp_path: Path, name: str) -> None:
    program = tmp_path / "bin/connmon-agent"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    installation = replace(INSTALLATIONS[name], command=(str(program),))
    unit = tmp_path / f"connmon-agent{'@' if installation.instance else ''}.service"
    unit.write_text(write_unit(installation))
    whose = ["--user"] if installation.user else []
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)}
    verified = subprocess.run(
        ["systemd-analyze", *whose, "verify", "--man=no", str(unit)],
        check=False,
        capture_output=True,
        text=True,
        env=environment,
    )
    complaints = [line for line in verified.stderr.splitlines() if "connmon" in line]
    assert complaints == []


@needs_systemd
@pytest.mark.parametrize("name", [name for name in INSTALLATIONS if name != "user"])
def test_systemd_calls_it_well_protected(tmp_path: Path, name: str) -> None:
    unit = tmp_path / f"connmon-agent{'@' if INSTALLATIONS[name].instance else ''}.service"
    unit.write_text(write_unit(INSTALLATIONS[name]))
    most = "16" if name == "low ports" else "15"  # tenths; the capability costs one
    judged = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", f"--threshold={most}", str(unit)],
        check=False,
        capture_output=True,
        text=True,
    )
    assert judged.returncode == 0, judged.stdout[-300:] + judged.stderr


KEYS = {  # launchd.plist(5)
    "Label": str,
    "ProgramArguments": list,
    "RunAtLoad": bool,
    "KeepAlive": dict,
    "ThrottleInterval": int,
    "ExitTimeOut": int,
    "ProcessType": str,
    "Umask": int,
    "SoftResourceLimits": dict,
    "StandardErrorPath": str,
    "EnvironmentVariables": dict,
}


@pytest.mark.parametrize("name", INSTALLATIONS)
def test_launchds_list_is_one_with_keys_that_it_knows(tmp_path: Path, name: str) -> None:
    text = Launchd(a_host(tmp_path, FakeCommands())).unit(INSTALLATIONS[name]).text
    assert ElementTree.fromstring(text).tag == "plist"
    properties = plistlib.loads(text.encode())
    assert {key: type(value) for key, value in properties.items()}.items() <= KEYS.items()
    assert properties["ProgramArguments"][0] == "/opt/connmon-agent/bin/connmon-agent"
    assert properties["KeepAlive"] == {"SuccessfulExit": False}
    assert "background" not in properties["ProgramArguments"]


texts = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\r"), max_size=60)


@given(body=texts, line=st.integers(0, 3), extra=texts | st.sampled_from(['"', '",', " -->"]))
def test_a_seal_tells_ours_from_edited_ones(body: str, line: int, extra: str) -> None:
    sealed = seal(body, line=line)
    assert judge(sealed) is Ownership.OURS
    if extra:
        assert judge(sealed + extra) is not Ownership.OURS
    assert judge(body) is Ownership.FOREIGN
    assert judge(None) is Ownership.ABSENT
