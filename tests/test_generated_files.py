from __future__ import annotations

import os
from pathlib import Path

import pytest

from connmon_agent.errors import ConnmonError
from connmon_agent.generated_files import find_owner, holds, refuse_others, write_file
from connmon_agent.seals import Ownership, seal

BY = "integrate"
OURS = seal("#!/bin/sh\necho ours\n", by=BY, line=1)


@pytest.mark.parametrize(
    ("text", "owner"),
    [
        (OURS, Ownership.OURS),
        ("\ufeff" + OURS.replace("\n", "\r\n"), Ownership.OURS),
        (OURS.replace("ours", "mine"), Ownership.EDITED),
        (OURS + "more", Ownership.EDITED),
        ("echo theirs\n", Ownership.FOREIGN),
        ("#\n" * 9 + OURS, Ownership.FOREIGN),
        (seal("x", by="man"), Ownership.FOREIGN),
        ("x" * 2_000_000, Ownership.FOREIGN),
        (None, Ownership.ABSENT),
    ],
    ids=lambda value: str(value)[:12],
)
def test_whose_a_file_is(tmp_path: Path, text: str | None, owner: Ownership) -> None:
    path = tmp_path / "file"
    if text is not None:
        path.write_bytes(text.encode())
    assert find_owner(path, by=BY) is owner


@pytest.mark.linux_alone(reason="symbolic links, which only administrators make on Windows")
@pytest.mark.parametrize("kind", ["link to ours", "dangling link", "pipe", "folder"])
def test_what_is_no_plain_file_is_somebody_elses(tmp_path: Path, kind: str) -> None:
    path, ours = tmp_path / "file", tmp_path / "ours"
    ours.write_text(OURS)
    match kind:
        case "link to ours":
            path.symlink_to(ours)
        case "dangling link":
            path.symlink_to(tmp_path / "none")
        case "pipe":
            os.mkfifo(path)
        case _:
            path.mkdir()
    assert find_owner(path, by=BY) is Ownership.FOREIGN


@pytest.mark.parametrize(("text", "forced"), [("theirs", "not written by this command"), (OURS + "more", None)])
def test_nothing_is_written_over_what_is_not_ours_and_over_edits_only_by_force(
    tmp_path: Path, text: str, forced: str | None
) -> None:
    path = tmp_path / "file"
    path.write_text(text)
    with pytest.raises(ConnmonError, match=r"has file, .*; nothing was written"):
        refuse_others([tmp_path / "none", path], by=BY)
    if forced:
        with pytest.raises(ConnmonError, match=forced):
            refuse_others([path], by=BY, force=True)
    else:
        refuse_others([path], by=BY, force=True)


@pytest.mark.linux_alone(reason="rights by mode")
def test_a_file_is_written_whole_with_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_file(path, b"one", mode=0o755, replace=False)
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"one", 0o755)
    assert holds(path, b"one") and not holds(path, b"two") and not holds(tmp_path / "none", b"")
    write_file(path, b"two", replace=True)
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"two", 0o644)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.linux_alone(reason="rights by mode")
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
