from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.fakes.kube_sites import PATIENT, calls_of, http, local, speak, write_kubeconfig
from tests.fakes.loopback import HOST, Handler, closed_port, serve_tcp
from tests.fakes.virtual_time import run_unhurried

from connmon_agent.errors import ClusterError
from connmon_agent.kube.kubeconfig import Access
from connmon_agent.kube.limits import MAX_BODY, MAX_EVENT, MAX_VALUES
from connmon_agent.kube.proxies import choose_proxy
from connmon_agent.kube.requests import ApiRequest, Json, get
from connmon_agent.port_forwarding.api_streams import ApiStreams
from connmon_lab.kubernetes import EmbeddedKubernetes, manifests

CERTIFICATES = Path(__file__).parent.parent / "probes" / "certificates"
PODS = "/api/v1/namespaces/default/pods"
LIST = get(PODS, "PodList")
WATCH = ApiRequest("GET", PODS, None, query=(("watch", "1"), ("allowWatchBookmarks", "true")))
PROTOCOL = "v4.channel.k8s.io"


@contextlib.asynccontextmanager
async def streams_of(kubeconfig: Path, *, timeout: float = PATIENT) -> AsyncIterator[ApiStreams]:
    async with calls_of(kubeconfig) as calls:
        yield ApiStreams(calls, temp_dir=kubeconfig.parent / "keys", connect_timeout=timeout, environment={})


@contextlib.asynccontextmanager
async def streams_to(handle: Handler, folder: Path, *, timeout: float = PATIENT) -> AsyncIterator[ApiStreams]:
    """Streams of a server that answers as told."""
    async with (
        serve_tcp(handle) as port,
        streams_of(write_kubeconfig(folder / "kubeconfig", local(port)), timeout=timeout) as streams,
    ):
        yield streams


async def fail_to_fetch(streams: ApiStreams) -> ClusterError:
    with pytest.raises(ClusterError) as caught:
        await streams.fetch(LIST, timeout=PATIENT)
    return caught.value


class TestFetch:
    def test_a_list(self, tmp_path: Path) -> None:
        async def scenario() -> Json:
            api = EmbeddedKubernetes()
            async with api, streams_of(api.write_kubeconfig(tmp_path / "c")) as streams:
                return await streams.fetch(LIST, timeout=PATIENT)

        assert run_unhurried(scenario())["kind"] == "PodList"

    @pytest.mark.parametrize(
        "answer",
        [
            (http(b'{"kind": "PodList"}'),),
            (
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n",
                b'{"kind":\r\n',
                b'b;x\r\n "PodList"}\r\n0\r\n\r\n',
            ),
            (b"HTTP/1.0 200 OK\r\n\r\n", b'{"kind": "PodList"}'),
        ],
        ids=["counted", "chunked", "until the end"],
    )
    def test_however_the_answer_is_framed(self, tmp_path: Path, answer: tuple[bytes, ...]) -> None:
        async def scenario() -> Json:
            async with streams_to(speak(*answer), tmp_path) as streams:
                return await streams.fetch(LIST, timeout=PATIENT)

        assert run_unhurried(scenario()) == {"kind": "PodList"}

    @pytest.mark.parametrize(
        ("answer", "kind", "words"),
        [
            (b"", "unreachable", "closed the connection"),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", "unreachable", "closed the connection"),
            (
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
                "protocol",
                "sent malformed HTTP",
            ),
            (b"220 mail.example.com\r\n\r\n", "protocol", "did not answer with HTTP: '220 mail.example.com'"),
            (b"HTTP/1.1 200 " + b"x" * 100_000, "protocol", "sent an answer with a head of more than 64 KiB"),
            (
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
                "protocol",
                "a transfer coding that was not requested",
            ),
            (http(b"<html>", content_type="text/html"), "protocol", "expected PodList"),
            (http(b" " * (MAX_BODY + 1)), "protocol", "sent an answer of more than 16 MiB"),
        ],
    )
    def test_what_is_no_answer(self, tmp_path: Path, answer: bytes, kind: str, words: str) -> None:
        async def scenario() -> ClusterError:
            async with streams_to(speak(answer), tmp_path) as streams:
                return await fail_to_fetch(streams)

        error = run_unhurried(scenario())
        assert (error.kind, words in str(error)) == (kind, True), error

    @pytest.mark.parametrize("token", ["a\r\nX-Remote-User: root", "a\u20ac"])
    def test_a_token_is_no_way_to_send_other_fields(self, tmp_path: Path, token: str) -> None:
        async def scenario() -> ClusterError:
            async with serve_tcp(speak(http(b"{}"))) as port:
                kubeconfig = write_kubeconfig(tmp_path / "c", local(port), token=token)
                async with streams_of(kubeconfig) as streams:
                    return await fail_to_fetch(streams)

        error = run_unhurried(scenario())
        assert (error.kind, "Correct the server or the token" in str(error)) == ("credentials", True), error

    def test_nobody_listens(self, tmp_path: Path) -> None:
        async def scenario(port: int) -> ClusterError:
            async with streams_of(write_kubeconfig(tmp_path / "c", local(port))) as streams:
                return await fail_to_fetch(streams)

        with closed_port() as port:
            error = run_unhurried(scenario(port))
        assert (error.kind, "cannot be reached" in error.message) == ("unreachable", True)

    def test_a_server_that_keeps_silent_is_given_up(self, tmp_path: Path) -> None:
        async def scenario() -> ClusterError:
            async with streams_to(speak(then_hold=True), tmp_path, timeout=0.05) as streams:
                return await fail_to_fetch(streams)

        assert run_unhurried(scenario()).kind == "timeout"

    def test_credentials_that_were_replaced_are_read_once_more(self, tmp_path: Path) -> None:
        async def scenario() -> Json:
            api = EmbeddedKubernetes(token="old")
            async with api, streams_of(api.write_kubeconfig(tmp_path / "c")) as streams:
                await streams.fetch(LIST, timeout=PATIENT)
                api.access.token = "new"
                api.write_kubeconfig(tmp_path / "c")
                return await streams.fetch(LIST, timeout=PATIENT)

        assert run_unhurried(scenario())["kind"] == "PodList"

    def test_credentials_that_are_refused_are_told(self, tmp_path: Path) -> None:
        async def scenario() -> ClusterError:
            api = EmbeddedKubernetes(token="right")
            async with api, streams_of(api.write_kubeconfig(tmp_path / "c")) as streams:
                api.access.token = "other"
                return await fail_to_fetch(streams)

        assert run_unhurried(scenario()).kind == "unauthorized"


async def answer_at_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    await reader.read()


class TestTls:
    @contextlib.asynccontextmanager
    async def served(self, folder: Path, authority: str = "authority") -> AsyncIterator[ApiStreams]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATES / "good.pem")
        body = b'{"kind": "PodList", "padding": "' + b"x" * 300_000 + b'"}'
        trusted = {"certificate-authority": str(CERTIFICATES / f"{authority}.pem")}
        async with serve_tcp(speak(http(body)), context=context) as port:
            kubeconfig = write_kubeconfig(folder / "c", f"https://{HOST}:{port}", cluster=trusted)
            async with streams_of(kubeconfig) as streams:
                yield streams

    def test_a_long_answer_comes_whole_the_second_time_too(self, tmp_path: Path) -> None:
        async def scenario() -> list[int]:
            async with self.served(tmp_path) as streams:
                return [len((await streams.fetch(LIST, timeout=PATIENT))["padding"]) for _ in range(2)]

        assert run_unhurried(scenario()) == [300_000, 300_000]

    def test_a_server_that_is_not_trusted(self, tmp_path: Path) -> None:
        async def scenario() -> ClusterError:
            async with self.served(tmp_path, "good") as streams:
                return await fail_to_fetch(streams)

        error = run_unhurried(scenario())
        assert (error.kind, "is not trusted" in error.message) == ("credentials", True)

    def test_a_server_without_tls(self, tmp_path: Path) -> None:
        async def scenario() -> ClusterError:
            async with serve_tcp(answer_at_once) as port:
                kubeconfig = write_kubeconfig(tmp_path / "c", local(port, "https"))
                async with streams_of(kubeconfig) as streams:
                    return await fail_to_fetch(streams)

        assert "does not speak TLS" in run_unhurried(scenario()).message


class TestWatch:
    def test_events_come_as_they_happen(self, tmp_path: Path) -> None:
        async def scenario() -> list[tuple[str, str]]:
            api, seen = EmbeddedKubernetes(), []
            async with api, streams_of(api.write_kubeconfig(tmp_path / "c")) as streams:
                version = (await streams.fetch(LIST, timeout=PATIENT))["metadata"]["resourceVersion"]
                request = ApiRequest("GET", PODS, None, query=(("watch", "1"), ("resourceVersion", version)))
                async with contextlib.aclosing(streams.watch(request, quiet=PATIENT)) as events:
                    api.create(manifests.deployment("web"))
                    async for event in events:
                        seen.append((event["type"], event["object"]["kind"]))
                        if len(seen) == 2:
                            return seen
            raise AssertionError("the watch ended")

        assert run_unhurried(scenario()) == [("ADDED", "Pod"), ("MODIFIED", "Pod")]

    def test_silence_ends_it(self, tmp_path: Path) -> None:
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

        async def scenario() -> ClusterError:
            async with streams_to(speak(head, then_hold=True), tmp_path) as streams:
                with pytest.raises(ClusterError) as caught:
                    async for _ in streams.watch(WATCH, quiet=0.05):
                        pass
                return caught.value

        assert run_unhurried(scenario()).kind == "timeout"

    @pytest.mark.parametrize(
        ("event", "words"),
        [
            (b"[]\n", "sent an event that is not an object"),
            (b"{\n", "sent an event that is not JSON"),
            (b" " * (MAX_EVENT + 1), "sent an event of more than 4 MiB"),
            (b"[" + b"0," * MAX_VALUES + b"0]\n", "sent JSON of more than 500000 values"),
        ],
        ids=["list", "half", "endless", "values"],
    )
    def test_what_is_no_event(self, tmp_path: Path, event: bytes, words: str) -> None:
        async def scenario() -> ClusterError:
            async with streams_to(speak(http(event)), tmp_path) as streams:
                with pytest.raises(ClusterError) as caught:
                    async for _ in streams.watch(WATCH, quiet=PATIENT):
                        pass
                return caught.value

        error = run_unhurried(scenario())
        assert (error.kind, words in str(error)) == ("protocol", True), error


class TestConnect:
    @pytest.mark.parametrize(
        ("target", "kind"),
        [(f"{PODS}/none/portforward?ports=80", "not-found"), ("/version", "protocol")],
    )
    def test_a_refusal_is_told_by_its_kind(self, tmp_path: Path, target: str, kind: str) -> None:
        async def scenario() -> ClusterError:
            api = EmbeddedKubernetes()
            async with api, streams_of(api.write_kubeconfig(tmp_path / "c")) as streams:
                with pytest.raises(ClusterError) as caught:
                    await streams.connect(target, protocol=PROTOCOL)
                return caught.value

        assert run_unhurried(scenario()).kind == kind

    def test_it_passes_a_proxy(self, tmp_path: Path) -> None:
        asked: list[bytes] = []

        async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            asked.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await reader.readuntil(b"\r\n\r\n")
            writer.write(http(b'{"kind": "PodList"}'))

        async def scenario() -> Json:
            async with serve_tcp(relay) as port:
                proxy = {"proxy-url": f"http://me:secret@{HOST}:{port}"}
                kubeconfig = write_kubeconfig(tmp_path / "c", "http://api.example.com:6443", cluster=proxy)
                async with streams_of(kubeconfig) as streams:
                    return await streams.fetch(LIST, timeout=PATIENT)

        assert run_unhurried(scenario()) == {"kind": "PodList"}
        assert asked[0].startswith(b"CONNECT api.example.com:6443 HTTP/1.1\r\n")
        assert b"Proxy-Authorization: Basic bWU6c2VjcmV0\r\n" in asked[0]


@pytest.mark.parametrize(
    ("server", "environment", "proxy"),
    [
        ("https://api.example.com", {"HTTPS_PROXY": "http://proxy:3128"}, "http://proxy:3128"),
        ("https://api.example.com", {"all_proxy": "proxy:3128"}, "http://proxy:3128"),
        ("https://api.example.com", {"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": "example.com"}, None),
        ("https://192.0.2.1:6443", {"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": "192.0.2.0/24"}, None),
        (
            "https://192.0.2.1:6443",
            {"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": "192.0.2.1:443"},
            "http://proxy:3128",
        ),
        ("https://127.0.0.1:6443", {"HTTPS_PROXY": "http://proxy:3128"}, None),
        ("https://api.example.com", {}, None),
    ],
)
def test_the_proxy_is_the_environments_but_never_to_this_machine(
    server: str, environment: dict[str, str], proxy: str | None
) -> None:
    chosen = choose_proxy(Access(origin="a test", server=server), environment)
    assert (None if chosen is None else chosen.url) == proxy
