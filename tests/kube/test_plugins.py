from __future__ import annotations

import base64
import json
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from connmon_agent.errors import ClusterError
from connmon_agent.kube.kubeconfig import Access
from connmon_agent.kube.plugins import ask_plugin
from connmon_agent.program_runner import ProgramRunner

SERVER = "https://10.0.0.1:6443"


def access(script: str, **plugin: Any) -> Access:
    """An access whose plugin is a Python program."""
    given = {"apiVersion": "client.authentication.k8s.io/v1", "command": sys.executable, "args": ["-Ic", script]}
    return Access("here", SERVER, plugin={**given, **plugin})


def print_status(**status: str) -> str:
    return f"print({json.dumps({'kind': 'ExecCredential', 'status': status})!r})"


def refusal(asked: Access, **options: Any) -> ClusterError:
    with pytest.raises(ClusterError) as caught:
        ask_plugin(asked, **options)
    assert (caught.value.kind, caught.value.delivered) == ("credentials", False)
    return caught.value


def test_without_a_plugin_nothing_is_asked() -> None:
    plain = Access("here", SERVER, authorization="Bearer a")
    assert ask_plugin(plain) == (plain, None)


def test_a_token_that_ends_is_renewed_a_minute_before() -> None:
    asked = access(print_status(token="abc", expirationTimestamp="2026-11-23T11:00:00Z"))
    certified, renew_at = ask_plugin(asked)
    assert (certified.authorization, renew_at) == ("Bearer abc", 1795431600.0 - 60.0)


def test_a_client_certificate() -> None:
    certified, renew_at = ask_plugin(access(print_status(clientCertificateData="CERT", clientKeyData="KEY")))
    assert (certified.certificate, certified.key, certified.authorization, renew_at) == ("CERT", "KEY", None, None)


def test_environment_and_protocol_reach_the_plugin() -> None:
    script = (
        "import json, os; info = json.loads(os.environ['KUBERNETES_EXEC_INFO']); "
        "print(json.dumps({'status': {'token': os.environ['WHO'] + ' ' + info['apiVersion'] "
        "+ ' ' + str(info['spec']['interactive'])}}))"
    )
    certified, _ = ask_plugin(access(script, env=[{"name": "WHO", "value": "me"}]))
    assert certified.authorization == "Bearer me client.authentication.k8s.io/v1 False"


def write_program(path: Path, script: str) -> None:
    """A program that runs Python's ``script``, as this system knows programs: ``path`` is without an extension."""
    if sys.platform == "win32":
        path.with_suffix(".py").write_text(script)
        path.with_suffix(".cmd").write_text(f'@"{sys.executable}" -I "%~dpn0.py" %*\n')
        return
    path.write_text(f"#!{sys.executable}\n{script}\n")
    path.chmod(0o700)


def test_a_relative_command_lies_beside_the_kubeconfig(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    write_program(tmp_path / "bin" / "sign-in", print_status(token="beside"))
    certified, _ = ask_plugin(Access("here", SERVER, plugin={"command": "bin/sign-in"}, base=tmp_path))
    assert certified.authorization == "Bearer beside"


@pytest.mark.parametrize(
    ("script", "message"),
    [
        pytest.param("import sys; sys.exit('x\\nno network')", "failed with status 1: no network", id="it fails"),
        pytest.param("import sys; sys.exit(3)", "failed with status 3: no output", id="it fails in silence"),
        pytest.param("print('hello')", "did not print JSON", id="no JSON"),
        pytest.param("print('[]')", "printed neither a token nor a client certificate", id="a list"),
        pytest.param(print_status(), "printed neither a token nor a client certificate", id="no credentials"),
    ],
)
def test_a_plugin_that_fails_is_told(script: str, message: str) -> None:
    assert message in refusal(access(script)).message


def test_a_plugin_that_is_not_there_is_told_with_the_kubeconfigs_own_hint(tmp_path: Path) -> None:
    program = tmp_path / "sign-in"
    error = refusal(access("", command=str(program), installHint="Install\n  sign-in."))
    assert error.message == f"the credential plugin {program} cannot be run: {program} does not exist"
    assert error.hint == "Install sign-in."


def test_a_plugin_that_waits_for_ever_is_ended() -> None:
    error = refusal(access("import sys; sys.stdin.read(); import threading; threading.Event().wait()"), timeout=0.05)
    assert error.message.endswith("did not exit within 0.05 s")


CHILD = "import subprocess, sys; subprocess.run([sys.executable, '-Ic', {child!r}])"


def hanging_family(path: Path) -> Access:
    """A plugin that waits for a child of its own, which writes its number to ``path`` and hangs."""
    child = f"import os, threading; open({str(path)!r}, 'w').write(str(os.getpid())); threading.Event().wait()"
    return access(CHILD.format(child=child))


def lives(path: Path) -> bool:
    """Whether the process whose number is in ``path`` runs."""
    try:
        return psutil.Process(int(path.read_text())).status() != psutil.STATUS_ZOMBIE
    except (FileNotFoundError, psutil.NoSuchProcess):
        return False


def await_file(path: Path) -> None:
    while not path.exists() or not path.read_text():
        time.sleep(0.01)


def is_ended(file: Path) -> bool:
    """Whether the process is gone, once the kernel has carried the signal out: a busy machine takes its time."""
    for _ in range(6000):
        if not lives(file):
            return True
        threading.Event().wait(0.01)
    return False


def test_a_plugin_that_hangs_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    error = refusal(hanging_family(tmp_path / "pid"), timeout=1.0)
    assert "did not exit within 1 s" in error.message
    assert is_ended(tmp_path / "pid")


def test_a_plugin_is_ended_from_elsewhere_and_none_is_begun_afterwards(tmp_path: Path) -> None:
    runner, asked = ProgramRunner(), hanging_family(tmp_path / "pid")
    asking = threading.Thread(target=lambda: refusal(asked, timeout=600.0, runner=runner), daemon=True)
    asking.start()
    await_file(tmp_path / "pid")
    runner.end()
    asking.join(60.0)
    assert not asking.is_alive()
    assert is_ended(tmp_path / "pid")
    assert "the agent is stopping" in refusal(asked, runner=runner).message


def print_info() -> str:
    """A plugin that gives the cluster that it was told of as its token."""
    return (
        "import json, os; info = json.loads(os.environ['KUBERNETES_EXEC_INFO']); "
        "print(json.dumps({'status': {'token': json.dumps(info['spec'].get('cluster'), sort_keys=True)}}))"
    )


@pytest.mark.parametrize("provide", [True, False, None])
def test_a_plugin_is_told_of_its_cluster_where_the_kubeconfig_says_so(provide: bool | None) -> None:
    asked = replace(
        access(print_info(), provideClusterInfo=provide),
        authority="PEM",
        server_name="api",
        proxy="http://proxy.example:3128",
        plugin_config={"audience": "site"},
    )
    certified, _ = ask_plugin(asked)
    given = json.loads((certified.authorization or "").removeprefix("Bearer "))
    whole = {
        "server": SERVER,
        "tls-server-name": "api",
        "certificate-authority-data": base64.b64encode(b"PEM").decode(),
        "proxy-url": "http://proxy.example:3128",
        "config": {"audience": "site"},
    }
    assert given == (whole if provide else None)


def test_output_that_is_not_utf_8() -> None:
    script = (
        "import sys; sys.stderr.buffer.write(b'\\xff\\xfe'); "
        'sys.stdout.buffer.write(b\'{"status": {"token": "a", "x": "\\xff"}}\')'
    )
    certified, _ = ask_plugin(access(script))
    assert certified.authorization == "Bearer a"


def test_a_failure_in_words_that_are_not_utf_8() -> None:
    script = "import sys; sys.stderr.buffer.write(b'kein Schl\\xfcssel'); sys.exit(1)"
    assert (
        f"kein Schl{chr(0xFFFD) if sys.platform != 'win32' else bytes([0xFC]).decode('oem')}ssel"
        in refusal(access(script)).message
    )


def test_a_plugin_that_is_not_in_the_path() -> None:
    error = refusal(Access("here", SERVER, plugin={"command": "sign-in-not-here"}))
    assert error.message.endswith("cannot be run: it is not in the PATH of the agent")


def test_a_plugin_that_needs_a_terminal() -> None:
    assert "needs a terminal" in refusal(access(print_status(token="a"), interactiveMode="Always")).message


def test_a_child_that_is_left_behind_with_the_output_open_holds_nothing_up() -> None:
    child = "import time; time.sleep(30)"
    script = f"import subprocess, sys; subprocess.Popen([sys.executable, '-Ic', {child!r}]); {print_status(token='a')}"
    certified, _ = ask_plugin(access(script), timeout=20.0)
    assert certified.authorization == "Bearer a"
