from __future__ import annotations

import asyncio
import contextlib
import json
import os
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.kube_sites import PATIENT, RISING, SOON, calls_of, http, local, read_request, speak, write_kubeconfig
from tests.fakes.loopback import Handler, closed_port, serve_tcp, silent_port
from tests.fakes.wine import on_wine

from connmon_agent.errors import ClusterError
from connmon_agent.kube.calls import Calls
from connmon_agent.kube.client import KubernetesClient
from connmon_agent.kube.exchanges import Exchange
from connmon_agent.kube.handed_files import RESTART
from connmon_agent.kube.limits import MAX_BODY, MAX_VALUES
from connmon_agent.kube.requests import ApiRequest, Json, get
from connmon_agent.settings import KubernetesSettings

VERSION = get("/version", None)
PATCH = ApiRequest("PATCH", "/x", None, body=[], content_type="application/json-patch+json")
OK = b"HTTP/1.1 200 OK\r\n"
FINE = http(b'{"gitVersion": "v1.30.0"}')
CERTIFICATES = Path(__file__).parent.parent / "probes" / "certificates"
AUTHORITY = CERTIFICATES / "authority.pem"

ENCRYPTED_KEY = """-----BEGIN ENCRYPTED PRIVATE KEY-----
MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAjq0hsWiZ2aOwICCAAw
DAYIKoZIhvcNAgkFADAdBglghkgBZQMEAQIEEHKyjCMZQq4K4sLGqZ3rkcoEgZD3
e0m9xO5IQk51Eyl4fyuY2Pp8SL6aolgmSP++8xbtlnw2leVi/S3LgJ1500jcj3pc
i4eyXeI43JAI2fNVr0Cy1KVju+DK++FS2dhfkwOrk/834WfluIAZNV49i46ywSOA
5Lp8khxD2qrym4noaJW3UfwRRCqmDlMyMqhRvOy5/y6WDLCwgk980OM1YnTURnY=
-----END ENCRYPTED PRIVATE KEY-----
"""


async def ask(calls: Calls, request: ApiRequest = VERSION) -> Json | ClusterError:
    try:
        return await calls.send(request)
    except ClusterError as error:
        return error


async def ask_server(handler: Handler, folder: Path, *, deadline: float = PATIENT) -> Json | ClusterError:
    async with site_of(handler, folder, deadline=deadline) as calls:
        return await ask(calls, PATCH)


@contextlib.asynccontextmanager
async def site_of(
    handler: Handler,
    folder: Path,
    *,
    scheme: str = "http",
    connect: float = PATIENT,
    deadline: float = PATIENT,
    **user: Any,
) -> AsyncIterator[Calls]:
    """The way to one server that does as ``handler`` says."""
    async with serve_tcp(handler) as port:
        kubeconfig = write_kubeconfig(folder / "c", local(port, scheme), **user)
        async with calls_of(kubeconfig, connect=connect, deadline=deadline) as calls:
            yield calls


def failure(answer: Json | ClusterError) -> tuple[str, bool | None]:
    assert isinstance(answer, ClusterError), answer
    return answer.kind, answer.delivered


@pytest.mark.parametrize(
    ("handler", "kind"),
    [
        pytest.param(speak(), "unreachable", id="it hangs up"),
        pytest.param(speak(FINE[:-5]), "unreachable", id="it hangs up in the middle"),
        pytest.param(speak(b"SSH-2.0-OpenSSH_9.2\r\n"), "protocol", id="another protocol"),
        pytest.param(speak(b"HTTP/1.1 many OK\r\n\r\n"), "protocol", id="a status in words"),
        pytest.param(speak(OK + b"X: " + b"x" * 70_000 + b"\r\n\r\n"), "protocol", id="an endless header"),
        pytest.param(speak(OK + b"X: x\r\n" * 200 + b"\r\n"), "protocol", id="200 headers"),
        pytest.param(speak(OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"), "protocol", id="a chunk of size zz"),
        pytest.param(
            speak(OK + b"Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc"),
            "protocol",
            id="no gzip",
        ),
        pytest.param(speak(http(b"{} {}")), "protocol", id="two documents"),
        pytest.param(
            speak(b"HTTP/1.1 307 Go\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"),
            "protocol",
            id="a redirection is not followed",
        ),
        pytest.param(
            speak(http(b" " * (MAX_BODY + 1))),
            "protocol",
            id="more than anybody needs",
        ),
        pytest.param(
            speak(http(b"[" + b"{}," * MAX_VALUES + b"{}]")), "protocol", id="more values than memory has room"
        ),
    ],
)
def test_an_answer_that_is_none_leaves_the_outcome_open(tmp_path: Path, handler: Handler, kind: str) -> None:
    assert failure(asyncio.run(ask_server(handler, tmp_path))) == (kind, None)


@pytest.mark.parametrize(
    "handler",
    [
        pytest.param(speak(then_hold=True), id="nothing comes"),
        pytest.param(speak(*[b"H"] * 10_000, pause=0.005), id="the status line drips"),
        pytest.param(speak(OK, *[b"X: x\r\n"] * 99, pause=SOON / 7), id="the headers drip"),
        pytest.param(speak(FINE[:-9], *[b" "] * 8, pause=SOON), id="the body drips"),
        pytest.param(
            speak(OK + b"Transfer-Encoding: chunked\r\n\r\n", *[b"1\r\n \r\n"] * 9_999, pause=0.005),
            id="the chunks drip",
        ),
    ],
)
def test_an_answer_without_end_is_given_up(tmp_path: Path, handler: Handler) -> None:
    for deadline in RISING:
        answer = asyncio.run(ask_server(handler, tmp_path, deadline=deadline))
        if failure(answer) != ("timeout", False):  # of which it was not even sent
            break
    assert failure(answer) == ("timeout", None)
    assert str(answer).startswith("http://127.0.0.1:")
    assert str(answer).endswith(f"did not answer PATCH /x within {deadline:g} s")


def test_silence_is_told_with_its_timeout(tmp_path: Path) -> None:
    async def scenario() -> Json | ClusterError:
        async with serve_tcp(speak(then_hold=True)) as port:
            kubeconfig = write_kubeconfig(tmp_path / "c", local(port))
            async with calls_of(kubeconfig, read=0.05) as calls:
                return await ask(calls)

    answer = asyncio.run(scenario())
    assert failure(answer) == ("timeout", None)
    assert "did not answer within 0.05 s" in str(answer)


def test_what_was_never_sent_was_never_delivered(tmp_path: Path) -> None:
    async def scenario(server: str, connect: float = PATIENT) -> Json | ClusterError:
        async with calls_of(write_kubeconfig(tmp_path / "c", server), connect=connect) as calls:
            return await ask(calls, PATCH)

    with closed_port() as port:
        refused = asyncio.run(scenario(local(port)))
    assert failure(refused) == ("unreachable", False)
    assert str(refused).startswith(
        f"{local(port)} cannot be reached: connection refused. Check that the cluster is running"
    )
    with silent_port() as port:
        assert failure(asyncio.run(scenario(local(port), 0.05))) == ("timeout", False)
    unresolved = asyncio.run(scenario("http://[fe80::1%25nosuch0]:6443"))
    assert failure(unresolved) == ("unreachable", False)


def test_a_request_given_up_before_it_began_is_not_sent(tmp_path: Path) -> None:
    async def scenario() -> ClusterError:
        async with serve_tcp(speak(FINE)) as port:
            settings = KubernetesSettings(kubeconfig=write_kubeconfig(tmp_path / "c", local(port)))
            client = KubernetesClient(settings, temp_dir=tmp_path / "keys")
            exchange = Exchange()
            exchange.give_up()
            try:
                with pytest.raises(ClusterError) as caught:
                    await asyncio.to_thread(client.request, PATCH, exchange)
            finally:
                client.close()
            return caught.value

    assert failure(asyncio.run(scenario())) == ("timeout", False)


def test_a_request_carries_what_the_api_server_wants_to_know(tmp_path: Path) -> None:
    heads: list[bytes] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await read_request(reader))
        writer.write(FINE)

    async def scenario() -> Json:
        async with site_of(handle, tmp_path, token="s3cret") as calls:
            return await calls.send(PATCH)

    assert asyncio.run(scenario()) == {"gitVersion": "v1.30.0"}
    lines = heads[0].decode().split("\r\n")
    assert lines[0] == "PATCH /x HTTP/1.1"
    assert {
        "Authorization: Bearer s3cret",
        "User-Agent: connmon-agent/0.1.0",
        "Accept: application/json",
        "Content-Type: application/json-patch+json",
    } <= set(lines)


def test_a_proxy_gets_the_login_that_its_url_holds(tmp_path: Path) -> None:
    """urllib3 takes none from a URL: every request was refused with 407, while watches passed."""
    heads: list[bytes] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await read_request(reader))
        writer.write(FINE)

    async def scenario() -> Json | ClusterError:
        async with serve_tcp(handle) as port:
            proxied = {"proxy-url": f"http://ada:s3cret@127.0.0.1:{port}"}
            async with calls_of(write_kubeconfig(tmp_path / "c", "http://api.example", cluster=proxied)) as calls:
                return await ask(calls)

    assert asyncio.run(scenario()) == {"gitVersion": "v1.30.0"}
    lines = heads[0].decode().split("\r\n")
    assert lines[0].startswith("GET http://api.example/")
    assert "Proxy-Authorization: Basic YWRhOnMzY3JldA==" in lines


def test_connections_are_kept_open(tmp_path: Path) -> None:
    connections = 0

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        while True:
            await read_request(reader)
            writer.write(FINE.replace(b"Connection: close\r\n", b""))

    async def scenario() -> None:
        async with site_of(handle, tmp_path) as calls:
            for _ in range(5):
                await calls.send(VERSION)

    asyncio.run(scenario())
    assert connections == 1


class TestTls:
    @staticmethod
    @contextlib.asynccontextmanager
    async def serve(certificate: str) -> AsyncIterator[int]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATES / f"{certificate}.pem")
        async with serve_tcp(speak(FINE), context=context) as port:
            yield port

    def ask(self, folder: Path, certificate: str, cluster: dict[str, object], **user: str) -> Json | ClusterError:
        async def scenario() -> Json | ClusterError:
            async with self.serve(certificate) as port:
                kubeconfig = write_kubeconfig(folder / "c", local(port, "https"), cluster=cluster, **user)
                async with calls_of(kubeconfig) as calls:
                    return await ask(calls)

        return asyncio.run(scenario())

    TRUSTING = {"certificate-authority": str(AUTHORITY)}  # noqa: RUF012

    def test_a_server_that_the_kubeconfig_trusts(self, tmp_path: Path) -> None:
        assert self.ask(tmp_path, "good", self.TRUSTING) == {"gitVersion": "v1.30.0"}

    @pytest.mark.parametrize(
        ("certificate", "cluster", "why"),
        [
            pytest.param("expired", TRUSTING, "certificate has expired", id="expired"),
            pytest.param("misnamed", TRUSTING, "IP address mismatch", id="another name"),
            pytest.param("good", {}, "unable to get local issuer certificate", id="unknown authority"),
        ],
    )
    def test_a_server_that_it_does_not(
        self, tmp_path: Path, certificate: str, cluster: dict[str, object], why: str
    ) -> None:
        answer = self.ask(tmp_path, certificate, cluster)
        assert failure(answer) == ("credentials", False)
        assert why in str(answer)

    @pytest.mark.parametrize("certificate", ["expired", "misnamed"])
    def test_trust_can_be_waived(self, tmp_path: Path, certificate: str) -> None:
        answer = self.ask(tmp_path, certificate, {"insecure-skip-tls-verify": True})
        assert answer == {"gitVersion": "v1.30.0"}

    def test_a_client_certificate_leaves_nothing_behind(self, tmp_path: Path) -> None:
        pair = str(CERTIFICATES / "good.pem")
        answer = self.ask(tmp_path, "good", self.TRUSTING, **{"client-certificate": pair, "client-key": pair})
        assert answer == {"gitVersion": "v1.30.0"}
        assert list((tmp_path / "keys").iterdir()) == []
        assert os.name == "nt" or (tmp_path / "keys").stat().st_mode & 0o777 == 0o700

    @pytest.mark.parametrize(
        "key",
        [
            pytest.param("", id="no key"),
            pytest.param("nonsense", id="no PEM"),
            pytest.param(ENCRYPTED_KEY, id="a key with a password is not asked for on the terminal"),
        ],
    )
    def test_a_client_key_that_cannot_be_used_is_told(self, tmp_path: Path, key: str) -> None:
        (tmp_path / "key").write_text(key)
        certificate = "-----BEGIN CERTIFICATE-----" + AUTHORITY.read_text().split("-----BEGIN CERTIFICATE-----")[1]
        (tmp_path / "certificate").write_text(certificate)
        user = {"client-certificate": "certificate", "client-key": "key"}
        answer = self.ask(tmp_path, "good", self.TRUSTING, **user)
        assert failure(answer) == ("credentials", False)
        assert str(answer).startswith(f"the certificates of context a of {tmp_path / 'c'} cannot be used")

    def test_an_authority_that_is_none_is_told(self, tmp_path: Path) -> None:
        (tmp_path / "ca").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
        answer = self.ask(tmp_path, "good", {"certificate-authority": "ca"})
        assert failure(answer) == ("credentials", False)

    def test_a_server_that_speaks_no_tls(self, tmp_path: Path) -> None:
        async def answer_at_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.0 400 Bad Request\r\n\r\n")
            await reader.read()

        async def scenario() -> Json | ClusterError:
            async with site_of(answer_at_once, tmp_path, scheme="https") as calls:
                return await ask(calls)

        assert failure(asyncio.run(scenario())) == ("protocol", False)

    def test_a_handshake_without_end_is_given_up(self, tmp_path: Path) -> None:
        async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()

        async def scenario() -> Json | ClusterError:
            async with site_of(hold, tmp_path, scheme="https", connect=0.05) as calls:
                return await ask(calls)

        assert failure(asyncio.run(scenario())) == ("timeout", False)


def says(name: str) -> Handler:
    return speak(http(json.dumps({"gitVersion": name}).encode()))


def demand(token: str) -> Handler:
    """A server that lets nobody in but the bearer of ``token``."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        allowed = f"Authorization: Bearer {token}\r\n".encode() in await read_request(reader)
        writer.write(FINE if allowed else http(b'{"kind": "Status"}', status="401 Unauthorized"))

    return handle


class TestRenewal:
    def test_a_changed_kubeconfig_counts_from_the_next_request_on(self, tmp_path: Path) -> None:
        async def scenario() -> list[Json | ClusterError]:
            async with serve_tcp(says("old")) as old, serve_tcp(says("new")) as new:
                kubeconfig = write_kubeconfig(tmp_path / "c", local(old))
                async with calls_of(kubeconfig) as calls:
                    answers = [await ask(calls)]
                    write_kubeconfig(tmp_path / "next", local(new))
                    os.replace(tmp_path / "next", kubeconfig)
                    return [*answers, await ask(calls)]

        assert asyncio.run(scenario()) == [{"gitVersion": "old"}, {"gitVersion": "new"}]

    def test_a_kubeconfig_that_is_just_being_written_does_not_stop_the_agent(self, tmp_path: Path) -> None:
        async def scenario() -> list[Json | ClusterError]:
            async with serve_tcp(says("old")) as old, serve_tcp(says("new")) as new:
                kubeconfig = write_kubeconfig(tmp_path / "c", local(old))
                async with calls_of(kubeconfig) as calls:
                    answers = [await ask(calls)]
                    kubeconfig.write_text('{"clusters": [')
                    answers.append(await ask(calls))
                    write_kubeconfig(kubeconfig, local(new))
                    return [*answers, await ask(calls)]

        assert asyncio.run(scenario()) == [{"gitVersion": name} for name in ("old", "old", "new")]

    def test_a_kubeconfig_that_comes_late_is_used(self, tmp_path: Path) -> None:
        async def scenario() -> list[Json | ClusterError]:
            async with serve_tcp(says("there")) as port, calls_of(tmp_path / "c") as calls:
                answers = [await ask(calls)]
                write_kubeconfig(tmp_path / "c", local(port))
                return [*answers, await ask(calls)]

        before, after = asyncio.run(scenario())
        assert failure(before) == ("credentials", False)
        assert after == {"gitVersion": "there"}

    def test_a_token_file_is_read_again_when_it_changed(self, tmp_path: Path) -> None:
        async def scenario() -> list[Json | ClusterError]:
            (tmp_path / "token").write_text("stale")
            async with site_of(demand("fresh"), tmp_path, tokenFile="token") as calls:
                answers = [await ask(calls)]
                (tmp_path / "token").write_text("fresh")
                os.utime(tmp_path / "token", ns=(1, 1))
                return [*answers, await ask(calls)]

        before, after = asyncio.run(scenario())
        assert failure(before) == ("unauthorized", False)
        assert after == {"gitVersion": "v1.30.0"}

    def test_a_plugin_is_asked_again_when_its_token_is_refused(self, tmp_path: Path) -> None:
        script = (
            "import json, pathlib; note = pathlib.Path('asked'); first = not note.exists(); note.touch(); "
            "print(json.dumps({'status': {'token': 'stale' if first else 'fresh'}}))"
        )
        plugin = {"command": sys.executable, "args": ["-Ic", script.replace("'asked'", repr(str(tmp_path / "asked")))]}

        async def scenario() -> Json | ClusterError:
            async with site_of(demand("fresh"), tmp_path, exec=plugin) as calls:
                return await ask(calls, PATCH)

        assert asyncio.run(scenario()) == {"gitVersion": "v1.30.0"}

    def test_refused_credentials_that_did_not_change_are_sent_once(self, tmp_path: Path) -> None:
        requests = 0

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal requests
            await read_request(reader)
            requests += 1
            writer.write(http(b'{"kind": "Status"}', status="401 Unauthorized"))

        assert failure(asyncio.run(ask_server(handle, tmp_path))) == ("unauthorized", False)
        assert requests == 1

    def test_a_service_that_has_a_copy_of_the_credentials_is_to_be_restarted(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """k3s renews its own within the year; systemd hands the new ones over at the next start."""

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await read_request(reader)
            writer.write(http(b'{"kind": "Status"}', status="401 Unauthorized"))

        def hint() -> str:
            refused = asyncio.run(ask_server(handle, tmp_path))
            assert isinstance(refused, ClusterError) and refused.hint is not None
            return refused.hint

        assert "restart the service" not in hint()
        monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
        assert hint() == f"Renew the kubeconfig's credentials; then {RESTART}"


def test_the_api_in_use_is_told(tmp_path: Path) -> None:
    kubeconfig = write_kubeconfig(tmp_path / "c", "http://127.0.0.1:1")
    client = KubernetesClient(KubernetesSettings(kubeconfig=kubeconfig), temp_dir=tmp_path / "keys")
    assert client.describe() == f"http://127.0.0.1:1 (context a of {kubeconfig})"


LIGHT = """
import sys
from pathlib import Path
from connmon_agent.kube.client import KubernetesClient
from connmon_agent.settings import KubernetesSettings
assert "urllib3" not in sys.modules, "loaded before the first request"
KubernetesClient(KubernetesSettings(kubeconfig=Path(sys.argv[1])), temp_dir=Path()).describe()
heavy = {"pydantic", "requests", "oauthlib", "aiohttp", "kubernetes.dynamic"} & set(sys.modules)
assert not heavy, heavy
import kubernetes
assert kubernetes.client.ApiClient and kubernetes.config and kubernetes.utils
"""


@pytest.mark.skipif(on_wine(), reason="Wine lacks a DLL that pydantic needs")
def test_of_the_library_only_its_http_layer_is_loaded(tmp_path: Path) -> None:
    kubeconfig = write_kubeconfig(tmp_path / "c", "http://127.0.0.1:1")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", LIGHT, str(kubeconfig)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
