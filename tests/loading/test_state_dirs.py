"""The state directory is found in a configuration that cannot be used, and refused only for its own sake."""

from __future__ import annotations

from pathlib import Path

import pytest

from connmon_agent.errors import ConfigurationError
from connmon_agent.loading import documents
from connmon_agent.loading.places import ProcessContext
from connmon_agent.loading.state_dirs import find_state_dir


def find(folder: Path, content: str | bytes, *, name: str = "connmon.yaml") -> Path | None:
    config = folder / name
    config.write_bytes(content if isinstance(content, bytes) else content.encode())
    process_context = ProcessContext({}, "linux", superuser=False, home=folder / "home", folder=folder)
    return find_state_dir(config, process_context)


@pytest.mark.parametrize(
    "content",
    [
        "state_dir: here\n",
        "nonsense: 1\nlink: {fall: x, fall: y}\nstate_dir: here\n",
        "link: [\nstate_dir: here  # a comment\n",
        'services:\n\tweb: {}\n"state_dir": "here"\n',
        "state_dir: here\n---\nlink: {}\n",
        "state_dir: here\r\nlink: }\r\n",
        "# größe\nstate_dir: here\n".encode("latin-1"),
        "\ufeffstate_dir: here\n".encode("utf-16-le"),
    ],
    ids=["sound", "unknown keys", "open bracket", "tab", "second document", "Windows", "Latin-1", "UTF-16"],
)
def test_whatever_else_is_wrong_it_is_found(tmp_path: Path, content: str | bytes) -> None:
    assert find(tmp_path, content) == tmp_path / "here"


@pytest.mark.parametrize("content", ["link: {fall: x}\n", "- state_dir\n", "state_dir: null\n", "# nothing\n"])
def test_a_file_need_not_name_one(tmp_path: Path, content: str) -> None:
    assert find(tmp_path, content) is None


@pytest.mark.parametrize("content", ["{", '{"ConnectionMonitor": {"CheckInterval": "state_dir"}}', ""])
def test_a_system_config_never_does_and_may_be_as_broken_as_it_likes(tmp_path: Path, content: str) -> None:
    assert find(tmp_path, content, name="system_config.json") is None


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("link: [\nstate_dir: on\n", "connmon.yaml:2: state_dir: is ambiguous"),
        ("nonsense: 1\nstate_dir: 5\n", "connmon.yaml:2: state_dir: must be text (got 5)"),
        ("link: [\nstate_dir: [\n", "connmon.yaml:2: this is not YAML"),
        ("{state_dir: here, link: [}\n", "connmon.yaml:1: this is not YAML"),
        ("state_dir: größe\n".encode("latin-1"), "connmon.yaml:1: this is not UTF-8 text"),
    ],
)
def test_a_mistake_in_the_key_itself_is_told_with_its_line(
    tmp_path: Path, content: str | bytes, complaint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documents, "ANSI", None)
    with pytest.raises(ConfigurationError) as caught:
        find(tmp_path, content)
    assert complaint in str(caught.value)


@pytest.mark.parametrize("name", ["connmon.yaml", "system_config.json"])
def test_a_file_that_is_not_there_is_refused(tmp_path: Path, name: str) -> None:
    process_context = ProcessContext({}, "linux", superuser=False, home=None, folder=tmp_path)
    with pytest.raises(ConfigurationError, match="file not found"):
        find_state_dir(tmp_path / name, process_context)
