"""What a service behind its walls could not use is found before it is installed."""

from __future__ import annotations

from pathlib import Path

import pytest

from connmon_agent.errors import ConnmonError
from connmon_agent.service_managers.sandbox import find_obstacle, refuse_unreachable

pytestmark = pytest.mark.linux_alone(reason="the sandbox of a systemd unit")


def open_to_all(*folders: Path) -> None:
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
        for place in (folder, *folder.parents):
            if place.owner() == folder.owner() and "pytest" in str(place):
                place.chmod(0o755)


@pytest.fixture
def public(tmp_path: Path) -> Path:
    folder = tmp_path / "opt"
    open_to_all(folder)
    return folder


def readable(path: Path) -> Path:
    path.write_text("x")
    path.chmod(0o644)
    return path


def test_a_file_that_all_may_read_is_no_obstacle(public: Path) -> None:
    assert find_obstacle(readable(public / "file"), hidden=()) is None


def test_a_private_file_is_named_with_the_remedy(public: Path) -> None:
    path = readable(public / "file")
    path.chmod(0o600)
    assert find_obstacle(path, hidden=()) == f"other users cannot read it (`chmod o+r {path}`)"


def test_a_private_folder_on_the_way_is_named(public: Path) -> None:
    path = readable(public / "file")
    public.chmod(0o750)
    assert find_obstacle(path, hidden=()) == f"other users cannot enter {public} (`chmod o+x {public}`)"


def test_a_home_is_hidden_even_where_all_may_read_it(public: Path) -> None:
    obstacle = find_obstacle(readable(public / "file"), hidden=(public,))
    assert obstacle == f"{public} is in {public}, which is hidden from services"


def test_the_end_of_a_link_counts_and_so_does_each_link(public: Path, tmp_path: Path) -> None:
    """A virtual environment in /opt whose Python is a link to one below /root."""
    home = tmp_path / "root"
    open_to_all(home)
    target = readable(home / "python3.11")
    (home / "python").symlink_to("python3.11")
    (public / "python").symlink_to(home / "python")
    assert find_obstacle(public / "python", hidden=()) is None
    for hidden in ((home,), (public,)):
        assert find_obstacle(public / "python", hidden=hidden) is not None
    target.unlink()
    assert "No such file" in (find_obstacle(public / "python", hidden=()) or "")


def test_a_circle_of_links_ends(public: Path) -> None:
    (public / "a").symlink_to("b")
    (public / "b").symlink_to("a")
    with pytest.raises((ConnmonError, RuntimeError, OSError)):
        refuse_unreachable([public / "a"], remedy="Mend it", hidden=())


def test_the_first_obstacle_is_told_with_the_remedy(public: Path) -> None:
    good, bad = readable(public / "good"), public / "missing"
    with pytest.raises(ConnmonError, match=r"cannot read .*missing: .*No such file.* Copy it to /etc"):
        refuse_unreachable([good, bad], remedy="Copy it to /etc", hidden=())
