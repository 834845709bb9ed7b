from __future__ import annotations

import os
from pathlib import Path

import pytest

from connmon_agent.errors import ConnmonError
from connmon_agent.generated_files import holds, is_ours, write_file

MARK = "written by us"


def test_what_is_not_there_or_has_the_mark_is_ours(tmp_path: Path) -> None:
    path = tmp_path / "file"
    assert is_ours(path, MARK)
    path.write_text(f"#!/bin/sh\n# {MARK}\n")
    assert is_ours(path, MARK)
    path.write_text("echo theirs\n")
    assert not is_ours(path, MARK)
    path.write_text("x\n" * 2000 + MARK)
    assert not is_ours(path, MARK), "somebody quotes us"


@pytest.mark.parametrize("kind", ["link to ours", "dangling link", "pipe", "folder"])
def test_what_is_no_plain_file_is_somebody_elses(tmp_path: Path, kind: str) -> None:
    path, ours = tmp_path / "file", tmp_path / "ours"
    ours.write_text(MARK)
    match kind:
        case "link to ours":
            path.symlink_to(ours)
        case "dangling link":
            path.symlink_to(tmp_path / "none")
        case "pipe":
            os.mkfifo(path)
        case _:
            path.mkdir()
    assert not is_ours(path, MARK)


def test_a_file_is_written_whole_with_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_file(path, b"one", mode=0o755, replace=False)
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"one", 0o755)
    assert holds(path, b"one") and not holds(path, b"two") and not holds(tmp_path / "none", b"")
    write_file(path, b"two", replace=True)
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"two", 0o644)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("links", [True, False])
def test_what_appeared_meanwhile_is_not_written_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    if not links:
        monkeypatch.setattr(os, "link", refuse)
    path = tmp_path / "file"
    write_file(path, b"one", mode=0o755, replace=False)
    assert path.stat().st_mode & 0o777 == 0o755
    with pytest.raises(FileExistsError):
        write_file(path, b"two", replace=False)
    assert path.read_bytes() == b"one"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConnmonError, match="No such file or directory") as caught:
        write_file(tmp_path / "none" / "file", b"", replace=True)
    assert str(tmp_path / "none") in str(caught.value.hint)
