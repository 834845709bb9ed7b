"""A plugin's program on Windows: found as kubectl finds it, and given its arguments as they are written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.fakes.wine import on_wine

from connmon_agent.kube.windows_programs import find_program, write_command_line

ENVIRONMENT = {"PATHEXT": ".COM;.EXE;.BAT;.CMD;.VBS;.JS"}
NASTY = [
    "",
    "plain",
    "two words",
    "a&b|c",
    "^",
    'say "hello"',
    "C:\\Program Files\\",
    '\\"',
    "(x)",
    "!a!",
    "ü",
]


def put(folder: Path, *names: str) -> None:
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).write_text("")


@pytest.mark.parametrize(
    ("files", "command", "found"),
    [
        (["aws.exe"], "aws", "aws.exe"),
        (["aws.cmd"], "aws", "aws.cmd"),
        (["gcloud.cmd", "gcloud.exe", "gcloud"], "gcloud", "gcloud.exe"),
        (["az.bat"], "az.bat", "az.bat"),
        (["kubelogin.v1.exe"], "kubelogin.v1", "kubelogin.v1.exe"),
        (["tool"], "tool", None),  # without an extension it is no program
        (["tool.js", "tool.vbs"], "tool", None),  # they need an interpreter
        ([], "tool", None),
    ],
)
@pytest.mark.parametrize("beside", [False, True])
def test_the_file_that_is_meant(
    tmp_path: Path, files: list[str], command: str, found: str | None, beside: bool
) -> None:
    put(tmp_path / "bin", *files)
    if beside:
        program = find_program(f"bin/{command}", tmp_path, ENVIRONMENT)
    else:
        program = find_program(command, tmp_path, {**ENVIRONMENT, "PATH": f'relative;;"{tmp_path / "bin"}"'})
    assert program == (tmp_path / "bin" / found if found else None)


def test_the_first_folder_of_path_comes_first_and_the_working_directory_never(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("here", "first", "second"):
        put(tmp_path / name, "aws.exe")
    monkeypatch.chdir(tmp_path / "here")
    path = f".;{tmp_path / 'first'};{tmp_path / 'second'}"
    assert find_program("aws", tmp_path, {"PATH": path}) == tmp_path / "first" / "aws.exe"
    assert find_program("aws", tmp_path, {"PATH": "."}) is None
    assert find_program("aws", tmp_path, {}) is None


def test_a_program_gets_its_arguments_by_the_rule_of_programs() -> None:
    line = write_command_line(Path("aws.exe"), ["eks", "get token", 'a"b'], {})
    assert line == 'aws.exe eks "get token" a\\"b'


def test_a_batch_file_is_run_by_the_systems_own_shell() -> None:
    line = write_command_line(Path("az.CMD"), ["get-token", "a&calc", "%TEMP%"], {"SYSTEMROOT": "D:\\Windows"})
    assert (
        line
        == '"D:\\Windows\\System32\\cmd.exe" /e:ON /v:OFF /d /c ""az.CMD" get-token "a&calc" "%%cd:~,%TEMP%%cd:~,%""'
    )


@pytest.mark.parametrize("argument", ["a\nb", "a\rcalc", "a\0b"])
def test_an_argument_that_a_batch_file_cannot_be_given(argument: str) -> None:
    with pytest.raises(ValueError, match="several lines"):
        write_command_line(Path("az.cmd"), [argument], {})


@pytest.mark.skipif(sys.platform != "win32", reason="has cmd.exe and CreateProcess read the line")
@pytest.mark.parametrize("name", ["sign-in.exe", "sign in.cmd"])
def test_what_arrives_is_what_is_written(tmp_path: Path, name: str) -> None:
    script = tmp_path / "print.py"
    script.write_text("import json, sys; print(json.dumps(sys.argv[1:]))")
    if name.endswith(".cmd"):
        program = tmp_path / name
        program.write_text(f'@"{sys.executable}" -I "{script}" %*\n')
    else:
        program = Path(sys.executable)
    prefix = [] if name.endswith(".cmd") else ["-I", str(script)]
    for words in [NASTY, ["%PATH%", "100%"]]:
        if words != NASTY and on_wine():
            continue  # its cmd.exe fills in a part of a variable in another way
        line = write_command_line(program, [*prefix, *words], dict(os.environ))
        done = subprocess.run(line, capture_output=True, check=True)
        assert json.loads(done.stdout) == words
