from __future__ import annotations

import contextlib
import re
from dataclasses import replace
from pathlib import Path

import pytest
from tests.docs.configuration import list_sections

from connmon_agent.core.plan import AfterGap, ForwardPlan, Kind, Reclaim, When
from connmon_agent.errors import ConfigurationError
from connmon_agent.loading.configuration import BUILT_IN, load_settings
from connmon_agent.loading.defaults import (
    DEFAULTS,
    dns_target,
    gateway_target,
    http_target,
    icmp_target,
    interface_target,
    tcp_target,
)
from connmon_agent.loading.targets import KINDS
from connmon_agent.settings import ForwardingSettings, ForwardSettings, InterfaceTarget, Settings, Transport

REPOSITORY = Path(__file__).parents[2]
SHIPPED = REPOSITORY / "config" / "connmon.yaml"

EVERYTHING = """
state_dir: state
link:
  check_interval: 3s
  confirm_interval: 250ms
  offline_interval: 1m
  timeout: 1.5s
  quorum: 3
  fall: 4
  rise: 2
  hold: 0
  boot_grace: 90s
  targets:
    - {kind: tcp, host: "2001:db8::1", port: 443}
    - {kind: dns, server: 192.0.2.2, name: example.com, port: 5353}
    - {kind: http, url: "http://192.0.2.1/generate_204", status: 204}
    - {kind: http, url: "https://portal.example.com/ok", body: "success\\n"}
    - {kind: http, url: "http://[2001:db8::1]:8080/"}
    - {kind: interface, name: wan0}
    - {kind: interface}
    - {kind: gateway}
    - {kind: icmp, host: host.example, family: ipv6}
    - {kind: tcp, host: host.example, port: 443, family: ipv4}
    - {kind: dns, server: 192.0.2.2, name: example.com, record: AAAA, transport: tcp}
    - {kind: http, url: "http://host.example/", proxy: none, family: ipv6}
    - {kind: http, url: "http://host.example/", proxy: "http://proxy.example:3128"}
recovery:
  act: false
  when: {outage_longer_than: 30s}
  max_restart_attempts: 5
  parallel: 4
  ready_timeout: 2m
  healthy_for: 1h
  backoff: {first: 1s, max: 1m}
  postpone_limit: 0
kubernetes: {kubeconfig: ~/kube/config, context: site, namespace: shop, connect_timeout: 1s, read_timeout: 10,
  registries: {docker.io: "https://mirror.example:5000/", "r.example:5000": none}}
forwards: {bind: [127.0.0.1, 10.0.0.7], allow_remote: true, reclaim: never, transport: port-forward, backend_wait: 3s,
  max_connections: 50}
services:
  web:
    deployment: web-v2
    namespace: front
    depends_on: [database, cache]
    service: web-svc
    port: 8080
    alternatives: [8081]
    target: 443
    check: /healthz
    transport: direct
  database: {statefulset: postgres, port: 5432, target: sql}
  cache: {daemonset: redis, depends_on: [database]}
  plain:
logging: {dir: log, level: debug, format: json, console: false, max_file_size: 3, max_files: 2}
"""

HOME = {"HOME": "/home/ada", "USERPROFILE": "/home/ada"}


def load(path: Path, text: str | None = None, environment: dict[str, str] | None = None) -> Settings:
    if text is not None:
        path.write_text(text, encoding="utf-8")
    return load_settings(path, state_dir=None, environment=environment or HOME)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "connmon.yaml"


def test_the_shipped_file_says_what_is_built_in(tmp_path: Path) -> None:
    built_in = load_settings_without_file(tmp_path)
    shipped = load_settings(SHIPPED, state_dir=tmp_path, environment={})
    assert replace(shipped, source=BUILT_IN) == built_in
    assert shipped.source == str(SHIPPED)


def load_settings_without_file(folder: Path) -> Settings:
    empty = folder / "without.yaml"
    empty.write_text("logging: {}\n")
    return replace(load_settings(empty, state_dir=folder, environment={}), source=BUILT_IN)


def test_the_defaults_are_what_an_empty_file_means(tmp_path: Path) -> None:
    settings = load_settings_without_file(tmp_path)
    assert settings.plan.link == DEFAULTS.link
    assert settings.plan.recovery == DEFAULTS.recovery
    assert settings.plan.services == DEFAULTS.service_plans
    assert (settings.targets, settings.timeout, settings.kubernetes, settings.forwards, settings.logging) == (
        DEFAULTS.targets,
        DEFAULTS.timeout,
        DEFAULTS.kubernetes,
        DEFAULTS.forwards,
        DEFAULTS.logging,
    )


def test_without_any_file_the_built_in_defaults_hold(tmp_path: Path) -> None:
    environment = {"HOME": str(tmp_path), "USERPROFILE": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    with contextlib.chdir(tmp_path):
        settings = load_settings(None, state_dir=Path("state"), environment=environment)
    assert settings.source == BUILT_IN
    assert settings.state_dir == tmp_path / "state"
    assert settings.plan.services == DEFAULTS.service_plans


def test_the_file_in_the_working_directory_is_found(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config/connmon.yaml").write_text("link: {fall: 7}\n")
    with contextlib.chdir(tmp_path):
        settings = load_settings(None, state_dir=None, environment={"STATE_DIRECTORY": "/var/lib/x"})
    assert (settings.source, settings.plan.link.fall) == (str(Path("config/connmon.yaml")), 7)
    assert settings.state_dir == tmp_path / "/var/lib/x"


def test_a_default_link_needs_two_of_three_operators() -> None:
    assert DEFAULTS.link.quorum == 2
    assert len({target.name for target in DEFAULTS.targets}) == 3
    assert not any(isinstance(target, InterfaceTarget) for target in DEFAULTS.targets)


def test_every_section_is_read_into_its_place(path: Path) -> None:
    settings = load(path, EVERYTHING)
    link, recovery = settings.plan.link, settings.plan.recovery
    assert (link.check_interval, link.confirm_interval, settings.timeout) == (3, 0.25, 1.5)
    assert (link.offline_interval, link.boot_grace) == (60, 90)
    assert (link.quorum, link.fall, link.rise, link.hold) == (3, 4, 2, 0)
    assert (recovery.act, recovery.when, recovery.outage_longer_than) == (False, When.OUTAGE_LONGER_THAN, 30)
    assert (recovery.max_restart_attempts, recovery.parallel) == (5, 4)
    assert (recovery.ready_timeout, recovery.healthy_for, recovery.postpone_limit) == (120, 3600, 0)
    assert (recovery.backoff_first, recovery.backoff_max) == (1, 60)
    kubernetes = settings.kubernetes
    assert (kubernetes.kubeconfig, kubernetes.context, kubernetes.namespace) == (
        path.parent / "/home/ada/kube/config",
        "site",
        "shop",
    )
    assert (kubernetes.connect_timeout, kubernetes.read_timeout) == (1, 10)
    assert kubernetes.registries == {"docker.io": "https://mirror.example:5000", "r.example:5000": "none"}
    logging = settings.logging
    assert (logging.dir, logging.level, logging.format) == (path.parent / "log", "debug", "json")
    assert (logging.console, logging.max_file_size, logging.max_files) == (False, 3, 2)
    assert settings.state_dir == path.parent / "state"


def test_targets_of_every_kind_are_read(path: Path) -> None:
    assert load(path, EVERYTHING).targets == (
        tcp_target("2001:db8::1", 443),
        dns_target("192.0.2.2", "example.com", 5353),
        http_target("http://192.0.2.1/generate_204", 204),
        http_target("https://portal.example.com/ok", 200, "success\n"),
        http_target("http://[2001:db8::1]:8080/"),
        interface_target("wan0"),
        interface_target(None),
        gateway_target(),
        icmp_target("host.example", "ipv6"),
        tcp_target("host.example", 443, "ipv4"),
        dns_target("192.0.2.2", "example.com", record="AAAA", transport="tcp"),
        http_target("http://host.example/", proxy="none", family="ipv6"),
        http_target("http://host.example/", proxy="http://proxy.example:3128"),
    )


def test_targets_are_named_for_people(path: Path) -> None:
    assert [target.name for target in load(path, EVERYTHING).targets] == [
        "tcp [2001:db8::1]:443",
        "dns 192.0.2.2:5353 (example.com)",
        "http://192.0.2.1/generate_204",
        "https://portal.example.com/ok",
        "http://[2001:db8::1]:8080/",
        "interface wan0",
        "interface of the default route",
        "gateway of the default route",
        "icmp host.example (IPv6)",
        "tcp host.example:443 (IPv4)",
        "dns 192.0.2.2 (example.com AAAA over tcp)",
        "http://host.example/ (IPv6) without a proxy",
        "http://host.example/ through http://proxy.example:3128",
    ]


def test_services_keep_their_order_and_get_their_stages(path: Path) -> None:
    services = load(path, EVERYTHING).plan.services
    assert [(s.name, s.kind, s.namespace, s.workload, s.stage) for s in services] == [
        ("web", Kind.DEPLOYMENT, "front", "web-v2", 2),
        ("database", Kind.STATEFUL_SET, "shop", "postgres", 0),
        ("cache", Kind.DAEMON_SET, "shop", "redis", 1),
        ("plain", Kind.DEPLOYMENT, "shop", "plain", 0),
    ]
    assert services[0].depends_on == ("database", "cache")


def test_only_services_with_a_port_are_forwarded(path: Path) -> None:
    assert load(path, EVERYTHING).forwards == {
        "web": ForwardSettings("web-svc", 8080, (8081,), "443", "/healthz", Transport.DIRECT),
        "database": ForwardSettings("database", 5432, (), "sql", transport=Transport.PORT_FORWARD),
    }


def test_the_core_gets_what_decides_of_a_local_port(path: Path) -> None:
    settings = load(path, EVERYTHING)
    bind = ("127.0.0.1", "10.0.0.7")
    assert [service.forward for service in settings.plan.services] == [
        ForwardPlan(8080, (8081,), bind, Reclaim.NEVER),
        ForwardPlan(5432, (), bind, Reclaim.NEVER),
        None,
        None,
    ]
    assert settings.forwarding == ForwardingSettings(bind, True, Reclaim.NEVER, 3.0, 50)


def test_the_default_services_live_in_the_namespace_of_the_file(path: Path) -> None:
    services = load(path, "kubernetes: {namespace: shop}\n").plan.services
    assert {service.namespace for service in services} == {"shop"}
    assert [service.name for service in services] == [service.name for service in DEFAULTS.service_plans]


def test_no_services_can_be_meant(path: Path) -> None:
    settings = load(path, "services: {}\n")
    assert (settings.plan.services, settings.forwards) == ((), {})


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param("link: {check_interval: 200ms}", (0.2, 0.2, 0.2, 15), id="two follow a short interval"),
        pytest.param("link: {check_interval: 700ms}", (0.7, 0.35, 0.7, 15), id="the timeout follows"),
        pytest.param("link: {check_interval: 1h}", (3600, 0.35, 1, 3600), id="only the longest follows a long one"),
    ],
)
def test_a_default_never_contradicts_the_file(path: Path, text: str, found: tuple[float, ...]) -> None:
    settings = load(path, text)
    link = settings.plan.link
    assert (link.check_interval, link.confirm_interval, settings.timeout, link.offline_interval) == found


def test_the_default_quorum_fits_the_targets(path: Path) -> None:
    text = "link: {targets: [{kind: tcp, host: 192.0.2.1, port: 443}]}"
    assert load(path, text).plan.link.quorum == 1


def test_evidence_has_no_vote_in_the_default_quorum(path: Path) -> None:
    text = "link: {targets: [{kind: tcp, host: 192.0.2.1, port: 443}, {kind: interface}, {kind: gateway}]}"
    assert load(path, text).plan.link.quorum == 1


@pytest.mark.parametrize(
    ("text", "found"),
    [("{first: 10m}", (600, 600)), ("{max: 5s}", (5, 5)), ("{first: 1s}", (1, 300)), ("{}", (10, 300))],
)
def test_half_a_backoff_is_completed(path: Path, text: str, found: tuple[float, float]) -> None:
    recovery = load(path, f"recovery: {{backoff: {text}}}").plan.recovery
    assert (recovery.backoff_first, recovery.backoff_max) == found


@pytest.mark.parametrize("word", ["always", "unhealthy"])
def test_when_is_a_word(path: Path, word: str) -> None:
    assert load(path, f"recovery: {{when: {word}}}").plan.recovery.when == When(word)


def test_a_home_directory_must_be_there_to_be_meant(path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"kubeconfig: this user has no home directory \(got ~/k\)"):
        load(path, "kubernetes: {kubeconfig: ~/k}", {"PATH": "/bin"})


def test_mistakes_of_all_sections_come_in_the_order_of_their_lines(path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(path, "logging: {level: loud}\nlink: {fall: 0}\nservices: {web: {port: 0}}\nlimk: {}\n")
    assert [problem.line for problem in caught.value.problems] == [1, 2, 3, 4]


def test_aliases_cannot_make_a_message_unfold(path: Path) -> None:
    levels = "\n".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 20)}]" for n in range(1, 30))
    with pytest.raises(ConfigurationError) as caught:
        load(path, f"l0: &l0 [x]\n{levels}\nlink: {{fall: *l29}}\n")
    assert max(len(str(problem)) for problem in caught.value.problems) < 500


def test_a_long_chain_of_services_is_read_and_a_longer_one_refused(path: Path) -> None:
    def chain(length: int) -> str:
        return "services:\n  s0: {}\n" + "".join(f"  s{n}: {{depends_on: [s{n - 1}]}}\n" for n in range(1, length))

    assert load(path, chain(300)).plan.services[-1].stage == 299
    with pytest.raises(ConfigurationError, match="holds more than 300 services"):
        load(path, chain(301))


def test_every_key_is_in_the_shipped_file() -> None:
    tables = [*(table for _, table in list_sections()), *(kind.keys for kind in KINDS.values())]
    names = {name for table in tables for name in table.keys} | {"kind", "outage_longer_than"}
    shipped = SHIPPED.read_text(encoding="utf-8")
    assert [name for name in sorted(names) if not re.search(rf"\b{name}:", shipped)] == []


def test_the_shipped_file_names_the_default_that_it_holds() -> None:
    """Beside ``fall: 3`` stands ``default 3``: the value is held against the built-in one by the first test here."""
    line = re.compile(r"^ *(\w+): (\S+) +#.*?\bdefault (\S+?)[:;,.]?(?:\s|$)", re.MULTILINE)
    found = line.findall(SHIPPED.read_text(encoding="utf-8"))
    assert len(found) > 40
    assert [one for one in found if one[1] != one[2]] == []


def test_a_key_is_read_by_its_former_name_with_a_warning(tmp_path: Path) -> None:
    settings = load(tmp_path / "connmon.yaml", "link: {after_blind: restart}")
    assert settings.plan.link.after_gap is AfterGap.RESTART
    (warning,) = settings.warnings
    assert (warning.line, warning.key, warning.message) == (1, "link.after_blind", "is called after_gap now")


def test_a_key_under_both_of_its_names_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"link\.after_blind: unknown key"):
        load(tmp_path / "connmon.yaml", "link: {after_blind: restart, after_gap: check}")
