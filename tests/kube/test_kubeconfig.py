from __future__ import annotations

import base64
import errno
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fakes.system_wording import worded

from connmon_agent.errors import ClusterError
from connmon_agent.kube.kubeconfig import Access, Places, find_kubeconfigs, read_access
from connmon_agent.kube.kubeconfig_types import SHAPES
from connmon_agent.kube.tls import build_context

SERVER = "https://10.0.0.1:6443"


def write_config(
    path: Path,
    *,
    cluster: dict[str, Any] | None = None,
    user: dict[str, Any] | None = None,
    name: str = "site",
    current: str | None = "site",
) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    config = {
        "clusters": [{"name": name, "cluster": {"server": SERVER} if cluster is None else cluster}],
        "users": [{"name": name, "user": user or {}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": current,
    }
    path.write_text(yaml.safe_dump(config))
    return path


def places(root: Path, **environment: str) -> Places:
    return Places(environment, home=root / "home", k3s=root / "k3s.yaml", service_account=root / "account")


def encode(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def refusal(path: Path | None, context: str | None = None, *, where: Places | None = None) -> ClusterError:
    with pytest.raises(ClusterError) as caught:
        read_access(path, context, where or Places({}, home=Path("/nonexistent")))
    assert (caught.value.kind, caught.value.delivered) == ("credentials", False)
    return caught.value


class TestWhereItLies:
    def test_the_one_that_is_configured(self, tmp_path: Path) -> None:
        named = write_config(tmp_path / "named")
        write_config(tmp_path / "home/.kube/config")
        assert find_kubeconfigs(named, places(tmp_path, KUBECONFIG="/nonexistent")) == (named,)

    def test_those_in_the_environment_that_exist(self, tmp_path: Path) -> None:
        first, second = write_config(tmp_path / "1"), write_config(tmp_path / "2")
        where = places(tmp_path, KUBECONFIG=os.pathsep.join([str(first), str(tmp_path / "gone"), "", str(second)]))
        assert find_kubeconfigs(None, where) == (first, second)

    def test_the_users_own_before_k3s(self, tmp_path: Path) -> None:
        write_config(tmp_path / "k3s.yaml")
        assert find_kubeconfigs(None, places(tmp_path)) == (tmp_path / "k3s.yaml",)
        own = write_config(tmp_path / "home/.kube/config")
        assert find_kubeconfigs(None, places(tmp_path)) == (own,)

    def test_the_pods_service_account_last(self, tmp_path: Path) -> None:
        (tmp_path / "account").mkdir()
        (tmp_path / "account/token").write_text("secret\n")
        (tmp_path / "account/ca.crt").write_text("PEM")
        where = places(tmp_path, KUBERNETES_SERVICE_HOST="fd00::1", KUBERNETES_SERVICE_PORT="443")
        access = read_access(None, None, where)
        assert (access.server, access.authority) == ("https://[fd00::1]:443", "PEM")
        assert access.authorization == "Bearer secret"
        assert access.files == (tmp_path / "account/token", tmp_path / "account/ca.crt")

    def test_a_service_account_without_an_address_is_told(self, tmp_path: Path) -> None:
        (tmp_path / "account").mkdir()
        (tmp_path / "account/token").write_text("secret")
        assert "KUBERNETES_SERVICE_HOST" in refusal(None, where=places(tmp_path)).message

    def test_nowhere(self, tmp_path: Path) -> None:
        error = refusal(None, where=places(tmp_path))
        assert error.message.startswith("no kubeconfig found (looked for ")
        assert str(tmp_path / "k3s.yaml") in error.message

    def test_a_configured_one_that_is_not_there(self, tmp_path: Path) -> None:
        assert refusal(tmp_path / "gone").message == f"the kubeconfig {tmp_path / 'gone'} does not exist"

    def test_one_of_the_environment_that_is_not_there(self, tmp_path: Path) -> None:
        error = refusal(None, where=places(tmp_path, KUBECONFIG=str(tmp_path / "gone")))
        assert error.message == f"KUBECONFIG names {tmp_path / 'gone'}, which does not exist"


class TestWhatItSays:
    def test_server_and_trust(self, tmp_path: Path) -> None:
        cluster = {
            "server": f"{SERVER}/",
            "certificate-authority-data": encode("CA"),
            "tls-server-name": "kube.local",
            "proxy-url": "http://10.0.0.9:3128",
        }
        access = read_access(write_config(tmp_path / "c", cluster=cluster), None, places(tmp_path))
        assert (access.server, access.authority, access.verify) == (SERVER, "CA", True)
        assert (access.server_name, access.proxy) == ("kube.local", "http://10.0.0.9:3128")
        assert access.origin == f"context site of {tmp_path / 'c'}"

    def test_files_are_found_beside_the_kubeconfig_and_read(self, tmp_path: Path) -> None:
        for name in ("ca.pem", "me.pem", "me.key"):
            (tmp_path / name).write_text(name.upper())
        path = write_config(
            tmp_path / "c",
            cluster={"server": SERVER, "certificate-authority": "ca.pem"},
            user={"client-certificate": "me.pem", "client-key": str(tmp_path / "me.key")},
        )
        access = read_access(path, None, places(tmp_path))
        assert (access.authority, access.certificate, access.key) == ("CA.PEM", "ME.PEM", "ME.KEY")
        assert access.files == (path, tmp_path / "ca.pem", tmp_path / "me.pem", tmp_path / "me.key")

    @pytest.mark.parametrize(
        ("user", "authorization"),
        [
            pytest.param({"token": "abc\n"}, "Bearer abc", id="token"),
            pytest.param({"tokenFile": "token", "token": "old"}, "Bearer fresh", id="the file wins over the token"),
            pytest.param({"username": "me", "password": "pw"}, "Basic bWU6cHc=", id="password"),
            pytest.param({}, None, id="nobody"),
        ],
    )
    def test_credentials(self, tmp_path: Path, user: dict[str, Any], authorization: str | None) -> None:
        (tmp_path / "token").write_text("fresh\n")
        access = read_access(write_config(tmp_path / "c", user=user), None, places(tmp_path))
        assert access.authorization == authorization

    def test_the_first_file_that_names_something_wins(self, tmp_path: Path) -> None:
        first = write_config(tmp_path / "1", user={"token": "first"}, current=None)
        second = write_config(tmp_path / "2", user={"token": "second"})
        access = read_access(None, None, places(tmp_path, KUBECONFIG=f"{first}{os.pathsep}{second}"))
        assert access.authorization == "Bearer first"

    def test_the_context_can_be_chosen(self, tmp_path: Path) -> None:
        first = write_config(tmp_path / "1", user={"token": "first"})
        second = write_config(tmp_path / "2", name="other", user={"token": "second"})
        where = places(tmp_path, KUBECONFIG=f"{first}{os.pathsep}{second}")
        assert read_access(None, "other", where).authorization == "Bearer second"

    def test_secrets_are_not_shown(self) -> None:
        shown = repr(Access("here", SERVER, key="SECRET", authorization="Bearer SECRET", plugin={"env": "SECRET"}))
        assert "SECRET" not in shown


TEXTS = [
    pytest.param("a: [", "is not YAML", id="no YAML"),
    pytest.param("- a", "is not a kubeconfig", id="a list"),
    pytest.param("", "has no current context", id="empty"),
    pytest.param("# nothing yet\n", "has no current context", id="a comment"),
    pytest.param("clusters: [1]", "an entry of clusters is not a mapping", id="a number among the clusters"),
    pytest.param("clusters: [{name: a, cluster: b}]", "an entry of clusters is not a mapping", id="no cluster"),
    pytest.param("apiVersion: v1", "has no current context", id="nothing chosen"),
    pytest.param("current-context: a", "has no context 'a' (it has: none)", id="no such context"),
]


@pytest.mark.parametrize(("text", "message"), TEXTS)
def test_a_broken_file_is_told(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "c").write_text(text)
    error = refusal(tmp_path / "c")
    assert message in error.message
    assert str(tmp_path / "c") in error.message


@pytest.mark.parametrize(
    ("cluster", "user", "message"),
    [
        pytest.param({}, {}, "the server None, which is not an http or https URL", id="no server"),
        pytest.param({"server": "10.0.0.1:6443"}, {}, "the server '10.0.0.1:6443'", id="no scheme"),
        pytest.param({"server": "https://[::1"}, {}, "the server 'https://[::1'", id="half an address"),
        pytest.param({"server": "https://a:port"}, {}, "the server 'https://a:port'", id="a port in words"),
        pytest.param({"server": "https:///path"}, {}, "the server 'https:///path'", id="no host"),
        pytest.param(
            {"server": SERVER, "proxy-url": "socks5://x"},
            {},
            "the proxy-url of the cluster site is a SOCKS proxy",
            id="SOCKS",
        ),
        pytest.param({"server": SERVER, "proxy-url": "ftp://x"}, {}, "the proxy-url 'ftp://x'", id="proxy"),
        pytest.param(
            {"server": SERVER, "insecure-skip-tls-verify": True, "certificate-authority": "ca.crt"},
            {},
            "has a certificate authority and insecure-skip-tls-verify: true",
            id="an authority that nobody asks",
        ),
        pytest.param(
            {"server": SERVER, "insecure-skip-tls-verify": "false"},
            {},
            "insecure-skip-tls-verify is text",
            id="a string",
        ),
        pytest.param(
            {"server": SERVER, "certificate-authority-data": "%%%"}, {}, "is not base64-encoded PEM", id="no base64"
        ),
        pytest.param(None, {"auth-provider": {"name": "gcp"}}, "uses an auth-provider", id="auth-provider"),
        pytest.param(None, {"as": "admin"}, "impersonates another user", id="impersonation"),
        pytest.param(None, {"tokenFile": "gone"}, f"gone cannot be read: {worded(errno.ENOENT, 2)}", id="missing file"),
    ],
)
def test_what_cannot_be_used_is_told(
    tmp_path: Path, cluster: dict[str, Any] | None, user: dict[str, Any], message: str
) -> None:
    assert message in refusal(write_config(tmp_path / "c", cluster=cluster, user=user)).message


def test_the_contexts_that_there_are_are_listed(tmp_path: Path) -> None:
    path = write_config(tmp_path / "c")
    assert refusal(path, "other").message == f"{path} has no context 'other' (it has: site)"


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=3),
    max_leaves=6,
)
PLACES: list[tuple[str | int, ...]] = [
    (),
    ("clusters",),
    ("clusters", 0),
    ("clusters", 0, "name"),
    ("clusters", 0, "cluster"),
    *(("clusters", 0, "cluster", key) for key in SHAPES["cluster"]),
    ("users",),
    ("users", 0),
    ("users", 0, "user"),
    *(("users", 0, "user", key) for key in SHAPES["user"]),
    *(("users", 0, "user", "exec", key) for key in ("apiVersion", "command", "args", "env", "installHint")),
    ("contexts",),
    ("contexts", 0),
    ("contexts", 0, "context"),
    *(("contexts", 0, "context", key) for key in SHAPES["context"]),
    ("current-context",),
]


@pytest.mark.parametrize("place", PLACES, ids=lambda place: ".".join(map(str, place)) or "everything")
@given(value=JSON_VALUES)
@settings(max_examples=8)
def test_whatever_stands_anywhere_is_an_access_or_a_refusal(
    place: tuple[str | int, ...], value: object, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("any") / "config"
    write_config(path, user={"exec": {"command": "login", "args": ["a"], "env": [{"name": "A", "value": "b"}]}})
    path.write_text(yaml.safe_dump(put(yaml.safe_load(path.read_text()), place, value)))
    try:
        access = read_access(path, None, Places({}, home=Path("/nonexistent")))
    except ClusterError as error:
        assert error.kind == "credentials"
    else:
        assert isinstance(access.verify, bool)
        assert hash((access.server, access.server_name, access.proxy)) is not None


def put(config: Any, place: tuple[str | int, ...], value: object) -> Any:
    """``config`` with ``value`` at ``place``."""
    if not place:
        return value
    inner = config
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    return config


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("clusters: 5", "clusters is a number, not a list"),
        ("clusters: {a: b}", "clusters is a mapping, not a list"),
        ("current-context: [x]", "current-context is a list, not text"),
        ("clusters: 2001-99-99", "is not YAML: month must be in 1..12"),
        ("? [a]\n: b", "is not YAML: "),
        ("a: " + "[" * 5000, "is not YAML: "),
    ],
)
def test_a_value_of_another_type_is_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "c").write_text(text)
    assert message in refusal(tmp_path / "c").message


@pytest.mark.parametrize(
    ("cluster", "user", "message"),
    [
        (
            {"server": SERVER, "insecure-skip-tls-verify": "false"},
            {},
            "insecure-skip-tls-verify is text, not true or false, in the cluster site",
        ),
        (None, {"token": 123456}, "token is a number, not text, in the user site"),
        (None, {"exec": ["login"]}, "exec is a list, not a mapping, in the user site"),
        (None, {"exec": {"command": "a", "args": "b"}}, "exec.args is text, not a list, in the user site"),
        (None, {"exec": {"command": "a", "env": [{"name": 1}]}}, "exec.env[0].name is a number, not text"),
    ],
)
def test_a_value_of_another_type_is_named_without_the_value(
    tmp_path: Path, cluster: dict[str, Any] | None, user: dict[str, Any], message: str
) -> None:
    error = refusal(write_config(tmp_path / "c", cluster=cluster, user=user))
    assert message in error.message
    assert "123456" not in error.message


@pytest.mark.parametrize("text", ["", "# a placeholder\n", "clusters: null\nusers: null\n"])
@pytest.mark.parametrize("first", [True, False])
def test_a_file_of_kubeconfig_that_names_nothing_is_passed_over(tmp_path: Path, text: str, first: bool) -> None:
    (tmp_path / "empty").write_text(text)
    files = [str(tmp_path / "empty"), str(write_config(tmp_path / "c"))]
    listed = os.pathsep.join(files if first else reversed(files))
    where = Places({"KUBECONFIG": f"{os.pathsep}{listed}{os.pathsep}{tmp_path / 'gone'}"}, tmp_path)
    assert read_access(None, None, where).server == SERVER


def test_an_empty_file_at_home_leaves_it_to_k3s(tmp_path: Path) -> None:
    (tmp_path / ".kube").mkdir()
    (tmp_path / ".kube" / "config").touch()
    where = Places({}, tmp_path, k3s=write_config(tmp_path / "k3s.yaml"))
    assert read_access(None, None, where).server == SERVER


def test_a_folder_that_may_not_be_entered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse_entry(path: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "exists", refuse_entry)
    error = refusal(None, where=Places({"KUBECONFIG": "/private/config"}, tmp_path))
    assert error.message == f"{Path('/private/config')}: Permission denied"


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
@pytest.mark.parametrize("inline", [True, False])
def test_a_certificate_with_words_around_it(tmp_path: Path, encoding: str, inline: bool) -> None:
    """As tools write them: "# Aussteller: CN=Zertifizierungsstelle M\u00fcller"."""
    certificate = (Path(__file__).parents[1] / "probes" / "certificates" / "authority.pem").read_bytes()
    whole = "# Aussteller: M\u00fcller\n".encode(encoding) + certificate
    (tmp_path / "ca.crt").write_bytes(whole)
    data = {"certificate-authority-data": base64.b64encode(whole).decode()}
    cluster = {"server": SERVER, **(data if inline else {"certificate-authority": "ca.crt"})}
    access = read_access(write_config(tmp_path / "c", cluster=cluster), None, Places({}, tmp_path))
    assert build_context(access, tmp_path).get_ca_certs()


def test_what_a_cluster_holds_for_plugins(tmp_path: Path) -> None:
    extensions = [
        {"name": "other", "extension": 1},
        {"name": "client.authentication.k8s.io/exec", "extension": {"a": 1}},
    ]
    path = write_config(tmp_path / "c", cluster={"server": SERVER, "extensions": extensions})
    assert read_access(path, None, Places({}, tmp_path)).plugin_config == {"a": 1}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_kubeconfig_and_a_token_that_powershell_redirected_into_a_file(tmp_path: Path, encoding: str) -> None:
    path = write_config(tmp_path / "c", user={"tokenFile": "token"})
    path.write_bytes(path.read_text().encode(encoding))
    (tmp_path / "token").write_bytes("secret\r\n".encode(encoding))
    access = read_access(path, None, places(tmp_path))
    assert (access.server, access.authorization) == (SERVER, "Bearer secret")
