"""Files of root that systemd hands over to the agent."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fakes.statefiles import SOMEBODY_ELSE, in_child, is_root

from connmon_agent.kube.handed_files import find_handed, name_credential
from connmon_agent.kube.kubeconfig import Places, read_access

needs_root = pytest.mark.skipif(not is_root(), reason="needs root, to be somebody else")


@settings(max_examples=30)
@given(st.lists(st.text("ab:+- %\n\\é\u4e2d", min_size=1, max_size=90), max_size=4))
def test_a_name_is_one_that_systemd_takes(parts: list[str]) -> None:
    name = name_credential(Path("/", *parts))
    assert name.isascii() and name.isprintable() and len(name) <= 255 and not set(name) & set(":/ ")


def test_paths_that_look_alike_have_other_names() -> None:
    paths = ["/a/b", "/a+b", "/a b", "/a:b", f"/{'x' * 300}", f"/{'x' * 301}"]
    assert len({name_credential(Path(path)) for path in paths}) == len(paths)


def test_without_a_copy_the_file_itself_is_read(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    assert find_handed(missing, {}) == find_handed(missing, {"CREDENTIALS_DIRECTORY": str(tmp_path)}) == missing


@pytest.mark.linux_alone(reason="another user, as root becomes it")
@needs_root
def test_a_kubeconfig_of_root_and_the_keys_that_it_names_are_read_from_the_copies(tmp_path: Path) -> None:
    private, credentials = tmp_path / "root", tmp_path / "credentials"
    private.mkdir(mode=0o700)
    credentials.mkdir(mode=0o755)
    for folder in tmp_path.parents:
        if "pytest" in str(folder):
            folder.chmod(0o755)
    tmp_path.chmod(0o755)
    kubeconfig = private / "k3s.yaml"
    kubeconfig.write_text(
        "{clusters: [{name: c, cluster: {server: 'https://192.0.2.1'}}], current-context: x, "
        "contexts: [{name: x, context: {cluster: c, user: u}}], users: [{name: u, user: {client-key: keys/k}}]}"
    )
    (private / "keys").mkdir()
    (private / "keys/k").write_text("the key")
    for path in (kubeconfig, private / "keys/k"):
        copy = credentials / name_credential(path)
        copy.write_text(path.read_text())
        copy.chmod(0o644)

    def work() -> None:
        os.setuid(SOMEBODY_ELSE)
        places = Places({"CREDENTIALS_DIRECTORY": str(credentials)}, home=tmp_path, k3s=kubeconfig)
        access = read_access(None, None, places)
        assert (access.server, access.key) == ("https://192.0.2.1", "the key")
        named = read_access(kubeconfig, None, places)
        assert named.key == "the key"

    assert in_child(work) == 0
