from __future__ import annotations

from typing import Any

import pytest

from connmon_agent.kube.backends import AmbiguousPort, Backend, Backends, NoBackend, find_backends
from connmon_agent.kube.inventory import Pod, ServiceObject, Slice, read_pod, read_service, read_slice

READY = 1000.0


def pod(name: str, **changes: Any) -> Pod:
    """A ready pod of ``web``."""
    fields: dict[str, Any] = {
        "name": name,
        "uid": f"uid-{name}",
        "labels": {"app": "web"},
        "phase": "Running",
        "ip": "10.1.0.1",
        "host_ip": "192.0.2.10",
        "ready_since": READY,
        "deleting": False,
        "restarts": 0,
        "created": 900.0,
        "ports": {"http": 8080},
    }
    return Pod(**{**fields, **changes})


def service(**spec: Any) -> ServiceObject:
    """The Service ``web``: port 80, named web, to the pods' port http."""
    ports = [{"name": "web", "port": 80, "targetPort": "http"}]
    whole = {"selector": {"app": "web"}, "clusterIP": "10.0.0.1", "ports": ports, **spec}
    return read_service({"metadata": {"name": "web"}, "spec": {k: v for k, v in whole.items() if v is not None}})


def port(number: int, name: str | None = None, **fields: Any) -> dict[str, Any]:
    return {"port": number, **({"name": name} if name else {}), **fields}


def find(
    *pods: Pod,
    of: ServiceObject | None = None,
    target: str | None = None,
    slices: tuple[Slice, ...] = (),
    local_port: int = 1,
) -> Backends:
    found = of or service()
    return find_backends(
        "web",
        target,
        local_port=local_port,
        services={found.name: found},
        pods={one.name: one for one in pods},
        slices={one.name: one for one in slices},
    )


def names(found: Backends) -> list[str]:
    return [end.name for end in found.ends]


class TestWhichPods:
    def test_what_is_not_ready_running_or_staying_is_no_backend(self) -> None:
        found = find(
            pod("good"),
            pod("unready", ready_since=None),
            pod("leaving", deleting=True),
            pod("done", phase="Succeeded"),
            pod("other", labels={"app": "db"}),
        )
        assert names(found) == ["good"]

    def test_ready_for_longest_then_fewest_restarts_then_oldest(self) -> None:
        found = find(
            pod("young", created=950.0),
            pod("old", created=900.0),
            pod("restless", restarts=2),
            pod("late", ready_since=READY + 60),
        )
        assert names(found) == ["old", "young", "restless", "late"]

    def test_addresses_that_are_not_ready_may_be_wished_for(self) -> None:
        assert names(find(pod("unready", ready_since=None), of=service(publishNotReadyAddresses=True))) == ["unready"]

    @pytest.mark.parametrize(
        ("pods", "absence"),
        [
            ((), "no pod matches the selector of the Service web"),
            ((pod("a", ready_since=None),), "the only pod of the Service web is not ready"),
            ((pod("a", deleting=True), pod("b", phase="Pending")), "none of the 2 pods of the Service web is ready"),
        ],
    )
    def test_why_there_is_none_is_said(self, pods: tuple[Pod, ...], absence: str) -> None:
        assert find(*pods) == Backends((), absence, "10.0.0.1", 80)


class TestWhichPort:
    def test_a_named_port_is_each_pods_own(self) -> None:
        found = find(pod("old"), pod("new", ports={"http": 9090}, created=950.0))
        assert [(end.pod, end.port) for end in found.ends] == [("old", 8080), ("new", 9090)]

    def test_a_pod_without_the_named_port_is_passed_over(self) -> None:
        assert names(find(pod("old"), pod("new", ports={}))) == ["old"]

    @pytest.mark.parametrize(
        ("spec", "number"),
        [
            ({"ports": [port(80, targetPort=8081)]}, 8081),
            ({"ports": [port(80, targetPort="8081")]}, 8081),
            ({"ports": [port(80)]}, 80),
            ({"ports": [port(80, targetPort=0)]}, 80),
            ({"ports": [port(80)], "clusterIP": "None"}, 80),
            ({"ports": [port(80, targetPort=8081)], "clusterIP": "None"}, 8081),
        ],
    )
    def test_a_number_is_the_targets_or_else_the_services(self, spec: dict[str, Any], number: int) -> None:
        assert find(pod("a"), of=service(**spec)).ends[0].port == number

    @pytest.mark.parametrize("target", ["admin", "81"])
    def test_it_is_chosen_by_name_or_number(self, target: str) -> None:
        two = service(ports=[port(80, "web", targetPort=1), port(81, "admin", targetPort=2)])
        assert find(pod("a"), of=two, target=target).ends[0].port == 2

    def test_the_first_one_that_speaks_tcp_is_taken_where_none_is_named(self) -> None:
        both = service(ports=[port(53, "dns", protocol="UDP"), port(53, "dns-tcp", targetPort=5353)])
        assert find(pod("a"), of=both).ends[0].port == 5353


def ports(*named: tuple[str, int]) -> list[dict[str, Any]]:
    """The ports of a Service, in order; the number of each target is a thousand more."""
    return [port(number, name, targetPort=number + 1000) for name, number in named]


JAEGER = ports(("admin", 5778), ("grpc-query", 16685), ("http-query", 16686), ("http-collector", 14268))


class TestSeveralPortsAndNoTarget:
    """The first one is often for programs: a wrong one answers, and looks as if all were well."""

    @pytest.mark.parametrize(
        ("spec", "local_port", "number"),
        [
            pytest.param(JAEGER, 16686, 16686, id="the number of the local port"),
            pytest.param(JAEGER, 14268, 14268, id="that counts before any name"),
            pytest.param(JAEGER, 9999, 16686, id="the only one for people"),
            pytest.param(ports(("metrics", 9090), ("http", 80)), 8080, 80, id="http"),
            pytest.param(ports(("ui", 81), ("http", 80)), 8080, 80, id="http before ui"),
            pytest.param(ports(("http-metrics", 9090), ("http-web", 80)), 8080, 80, id="a word in the name"),
            pytest.param(ports(("grpc-web", 9090), ("query-frontend", 80)), 8080, 80, id="not one for programs"),
        ],
    )
    def test_the_port_that_is_meant(self, spec: list[dict[str, Any]], local_port: int, number: int) -> None:
        assert find(pod("a"), of=service(ports=spec), local_port=local_port).ends[0].port == number + 1000

    @pytest.mark.parametrize(
        ("spec", "listed"),
        [
            pytest.param(ports(("a", 5778), ("b", 16685)), "a (5778), b (16685)", id="names that say nothing"),
            pytest.param(ports(("http-a", 1), ("http-b", 2)), "http-a (1), http-b (2)", id="two for people"),
            pytest.param(ports(("https", 443), ("metrics", 90)), "https (443), metrics (90)", id="none for people"),
            pytest.param([*ports(("a", 1), ("b", 2)), port(3, "c", protocol="UDP")], "a (1), b (2)", id="no UDP"),
        ],
    )
    def test_where_a_choice_is_left_it_is_asked_for(self, spec: list[dict[str, Any]], listed: str) -> None:
        with pytest.raises(AmbiguousPort) as caught:
            find(pod("a"), of=service(ports=spec), local_port=8080)
        assert str(caught.value) == f"the Service web has several TCP ports: {listed}; Set target to one of them"


class TestWhatAPersonMustMend:
    @pytest.mark.parametrize(
        ("found", "target", "words"),
        [
            (service(), "http", "the Service web has no port http; it has: web (80)"),
            (service(ports=[]), None, "the Service web has no port; it has: none"),
            (
                service(ports=[port(53, "dns", protocol="UDP")]),
                "dns",
                "the Service web cannot be forwarded: its port dns uses UDP, but only TCP works",
            ),
            (
                service(type="ExternalName", externalName="db.example.com", selector=None),
                None,
                "the Service web is an ExternalName for db.example.com and has no pods",
            ),
        ],
    )
    def test_it_is_told_what_there_is_instead(self, found: ServiceObject, target: str | None, words: str) -> None:
        with pytest.raises(NoBackend) as caught:
            find(pod("a"), of=found, target=target)
        assert str(caught.value) == words

    def test_a_service_that_is_not_there(self) -> None:
        with pytest.raises(NoBackend, match=r"^no Service wbe; the Services are: web$"):
            find_backends("wbe", None, local_port=1, services={"web": service()}, pods={})

    def test_a_container_port_that_no_pod_has(self) -> None:
        with pytest.raises(NoBackend, match=r"targets the container port 'http', but none .* \(a has: api\)$"):
            find(pod("a", ports={"api": 1}))


class TestWithoutASelector:
    SERVICE = service(selector=None, ports=[port(80)])

    def slice_of(self, *endpoints: dict[str, Any], service: str = "web") -> Slice:
        metadata = {"name": f"slice-{service}", "labels": {"kubernetes.io/service-name": service}}
        return read_slice({"metadata": metadata, "endpoints": list(endpoints), "ports": [{"name": "", "port": 8080}]})

    def test_its_slices_name_pods_and_bare_addresses(self) -> None:
        one = self.slice_of(
            {"addresses": ["10.1.0.1"], "targetRef": {"kind": "Pod", "name": "a"}},
            {"addresses": ["192.0.2.7"], "conditions": {"ready": True}},
            {"addresses": ["192.0.2.8"], "conditions": {"ready": False}},
            {"addresses": ["10.1.0.9"], "targetRef": {"kind": "Pod", "name": "gone"}},
        )
        ends = find(pod("a"), of=self.SERVICE, slices=(one, self.slice_of(service="other"))).ends
        assert ends == (
            Backend(8080, "a", "uid-a", "10.1.0.1", "192.0.2.10"),
            Backend(8080, address="192.0.2.7"),
        )
        assert ends[1].name == "192.0.2.7:8080"

    def test_a_pod_that_is_leaving_is_not_chosen(self) -> None:
        one = self.slice_of({"addresses": ["10.1.0.1"], "targetRef": {"kind": "Pod", "name": "a"}})
        found = find(pod("a", deleting=True), of=self.SERVICE, slices=(one,))
        assert found.absence == "no endpoint of the Service web is ready"

    def test_without_slices_there_is_nothing(self) -> None:
        found = find(pod("a"), of=self.SERVICE)
        assert found.absence == "the Service web has no selector and no EndpointSlice"


def test_a_pod_is_read_from_what_the_api_sends() -> None:
    def container(name: str, number: int) -> dict[str, Any]:
        return {"name": "c", "ports": [{"name": name, "containerPort": number}, {"containerPort": 1}]}

    read = read_pod(
        {
            "metadata": {
                "name": "a",
                "uid": "u",
                "creationTimestamp": "1970-01-01T00:15:00Z",
                "labels": {"app": "web"},
            },
            "spec": {
                "containers": [container("http", 8080)],
                "initContainers": [container("http", 9), container("side", 2)],
            },
            "status": {
                "phase": "Running",
                "podIP": "10.1.0.1",
                "hostIP": "192.0.2.10",
                "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "1970-01-01T00:16:40Z"}],
                "containerStatuses": [{"restartCount": 2}, {"restartCount": 1}],
            },
        }
    )
    assert read == pod("a", uid="u", restarts=3, ports={"http": 8080, "side": 2})


def test_a_pod_that_is_hardly_there_is_read_too() -> None:
    read = read_pod({"metadata": {"name": "a", "deletionTimestamp": "2026-01-01T00:00:00Z"}})
    assert (read.uid, read.phase, read.ready_since, read.deleting) == ("a", "Pending", None, True)
