from __future__ import annotations

import json
import os
import tempfile
from dataclasses import replace
from pathlib import Path

import hypothesis
import yaml
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from connmon_agent.core.plan import (
    AfterGap,
    DampingPlan,
    ForwardPlan,
    Kind,
    LinkPlan,
    Plan,
    QualityPlan,
    Reclaim,
    RecoveryPlan,
    ServicePlan,
    When,
    with_stages,
)
from connmon_agent.loading.configuration import load_settings
from connmon_agent.loading.defaults import (
    dns_target,
    gateway_target,
    http_target,
    icmp_target,
    interface_target,
    tcp_target,
)
from connmon_agent.loading.descriptions import describe_settings, quote_text
from connmon_agent.settings import (
    AppriseChannel,
    Channel,
    ChannelSettings,
    CommandChannel,
    ForwardingSettings,
    ForwardSettings,
    HeartbeatSettings,
    JournalSettings,
    KubernetesSettings,
    LoggingSettings,
    MailChannel,
    MetricsSettings,
    NotifySettings,
    NtfyChannel,
    Settings,
    Target,
    Transport,
    WebhookChannel,
)

SHIPPED = Path(__file__).parents[2] / "config" / "connmon.yaml"

names = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,20}[a-z0-9])?", fullmatch=True) | st.sampled_from(["on", "no", "1e3", "7"])
ports = st.integers(1, 65535)
registries = st.sampled_from(["docker.io", "registry.example:5000", "[2001:db8::1]:5000", "no", "7", "localhost"])
words = st.text(st.characters(categories=("L", "N", "P", "S")), min_size=1, max_size=12).filter(str.isprintable)
words |= st.sampled_from(["on", "Off", "null", "~", "true", "5", "010", "1:30", "#x", "a: b", "- a", "x #y", "*a"])
NO_NAME = "/" if os.sep == "/" else "/\\:"  # of a file or a folder, on this system
files = words.filter(lambda word: not set(NO_NAME) & set(word) and word not in (".", ".."))
paths = st.lists(files, min_size=1, max_size=3).map(lambda parts: Path(Path.cwd().anchor, *parts))


def seconds(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high) | st.integers(int(low) + 1, int(high)).map(float)


families = st.sampled_from([None, "ipv4", "ipv6"])
urls = st.from_regex(r"https?://192\.0\.2\.1(:[1-9][0-9]{0,3})?/[a-z0-9?=&%:-]{0,9}", fullmatch=True)
votes: st.SearchStrategy[Target] = st.one_of(
    st.builds(tcp_target, st.sampled_from(["192.0.2.1", "2001:db8::1", "host.example"]), ports),
    st.builds(tcp_target, st.just("host.example"), ports, families),
    st.builds(
        dns_target,
        st.sampled_from(["192.0.2.2", "2001:db8::2"]),
        st.just("example.com"),
        ports,
        record=st.sampled_from(["A", "AAAA"]),
        transport=st.sampled_from(["udp", "tcp"]),
    ),
    st.builds(
        http_target,
        urls,
        st.integers(100, 599),
        st.none() | st.text(max_size=9),
        proxy=st.sampled_from([None, "none", "http://proxy.example:3128", "http://[2001:db8::1]"]),
    ),
    st.builds(http_target, st.just("http://host.example/"), family=families, proxy=st.sampled_from([None, "none"])),
    st.builds(icmp_target, st.just("host.example"), families),
)
evidence: st.SearchStrategy[Target] = st.builds(interface_target, st.none() | words) | st.builds(gateway_target)


@st.composite
def qualities(draw: st.DrawFn, check_interval: float, timeout: float) -> QualityPlan:
    enter_loss, enter_latency = draw(st.floats(0.01, 0.99)), draw(st.floats(0.005, timeout * 0.9))
    window = draw(st.floats(max(1.0, 3 * check_interval), 86400))
    return QualityPlan(
        window=window,
        enter_loss=enter_loss,
        leave_loss=draw(st.floats(0, enter_loss * 0.9)),
        enter_latency=enter_latency,
        leave_latency=draw(st.floats(0.001, enter_latency * 0.9)),
        least=draw(st.integers(1, min(5000, int(window / (check_interval * 1.06))))),
    )


@st.composite
def dampings(draw: st.DrawFn) -> DampingPlan:
    suppress = draw(st.floats(2, 999) | st.integers(2, 999).map(float))
    return DampingPlan(
        penalty=draw(st.floats(1000, 1e6)),
        half_life=draw(seconds(60, 86400)),
        suppress=suppress,
        reuse=draw(st.floats(1, suppress * 0.9)),
        ceiling=draw(st.floats(suppress, 1e6)),
    )


@st.composite
def links(draw: st.DrawFn, most: int, check_interval: float, timeout: float) -> LinkPlan:
    return LinkPlan(
        quorum=draw(st.integers(1, most)),
        fall=draw(st.integers(1, 1000)),
        rise=draw(st.integers(1, 1000)),
        hold=draw(seconds(0, 86400)),
        boot_grace=draw(seconds(0, 3600)),
        after_gap=draw(st.sampled_from(AfterGap)),
        metered=draw(st.none() | st.booleans()),
        check_interval=check_interval,
        confirm_interval=draw(st.floats(0.01, check_interval)),
        offline_interval=draw(st.floats(check_interval, 86400)),
        quality=draw(qualities(check_interval, timeout)),
        damping=draw(dampings()),
    )


@st.composite
def recoveries(draw: st.DrawFn) -> RecoveryPlan:
    when = draw(st.sampled_from(When))
    longest = draw(seconds(0.01, 86400))
    return RecoveryPlan(
        act=draw(st.booleans()),
        when=when,
        outage_longer_than=draw(seconds(0, 604800)) if when is When.OUTAGE_LONGER_THAN else 0.0,
        max_restart_attempts=draw(st.integers(1, 100)),
        parallel=draw(st.integers(1, 1000)),
        ready_timeout=draw(seconds(0.01, 86400)),
        healthy_for=draw(seconds(0.01, 604800)),
        backoff_first=draw(st.floats(0.01, longest)),
        backoff_max=longest,
        postpone_limit=draw(seconds(0, 604800)),
    )


@st.composite
def services(draw: st.DrawFn) -> tuple[ServicePlan, ...]:
    plans: list[ServicePlan] = []
    for name in draw(st.lists(names, unique=True, max_size=4)):
        earlier = [plan.name for plan in plans]
        depends_on = draw(st.lists(st.sampled_from(earlier), unique=True)) if earlier else []
        kind, namespace = draw(st.sampled_from(Kind)), draw(names)
        plans.append(ServicePlan(name, kind, namespace, f"{name}-{len(plans)}", tuple(depends_on)))
    return with_stages(plans)


@st.composite
def forwards(draw: st.DrawFn, plans: tuple[ServicePlan, ...]) -> dict[str, ForwardSettings]:
    primaries = draw(st.lists(ports, unique=True, max_size=len(plans)))
    found = {}
    for plan, port in zip(plans, primaries, strict=False):
        alternatives = draw(st.lists(ports.filter(lambda other, own=port: other != own), unique=True, max_size=3))
        target = draw(st.none() | ports.map(str) | st.from_regex(r"[a-z][a-z0-9]{0,8}", fullmatch=True))
        check = draw(st.none() | st.from_regex(r"/[a-z0-9/%]{0,8}", fullmatch=True))
        transport = draw(st.sampled_from(Transport))
        found[plan.name] = ForwardSettings(draw(names), port, tuple(alternatives), target, check, transport)
    return found


@st.composite
def forwardings(draw: st.DrawFn) -> ForwardingSettings:
    remote = draw(st.booleans())
    addresses = ["127.0.0.1", "::1", "127.0.0.2"] + (["192.0.2.7", "2001:db8::7"] if remote else [])
    bind = (
        st.just(["0.0.0.0", "::1"])
        if draw(st.booleans()) and remote
        else st.lists(st.sampled_from(addresses), min_size=1, unique=True)
    )
    return ForwardingSettings(
        tuple(draw(bind)),
        remote,
        draw(st.sampled_from(Reclaim)),
        draw(seconds(0, 300)),
        draw(st.integers(1, 20_000)),
    )


channel_names = st.from_regex(r"[a-z0-9][-a-z0-9]{0,8}", fullmatch=True) | st.sampled_from(["on", "no", "1e3", "7"])
hooks = st.sampled_from(["https://h.example/", "http://[2001:db8::1]:8080/a?b=c", "https://ntfy.sh/site"])
by_url = st.fixed_dictionaries({"url": hooks}) | st.fixed_dictionaries({"url_file": paths})
mailboxes = st.sampled_from(["it@example.com", "a.b+c@h", "x@192.0.2.1"])
templates = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-99, 99)
    | st.floats(-1e9, 1e9)
    | st.sampled_from(["{subject}", "{{x", "ü", "a\nb"]),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(words, below, max_size=3),
    max_leaves=6,
)


@st.composite
def channels(draw: st.DrawFn) -> ChannelSettings:
    login = {"user": draw(words), "password_file": draw(paths)} if draw(st.booleans()) else {}
    shared = {
        "proxy": draw(st.sampled_from([None, "none", "http://proxy.example:3128"])),
        "ca_file": draw(st.none() | paths),
    }
    via: Channel = draw(
        st.one_of(
            st.builds(
                MailChannel,
                st.sampled_from(["smtp.example", "192.0.2.1"]),
                st.lists(mailboxes, min_size=1, max_size=3).map(tuple),
                st.none() | mailboxes,
                st.none() | ports,
                st.sampled_from(["starttls", "tls"]),
                **{name: st.just(value) for name, value in login.items()},
            ),
            by_url.map(
                lambda url: WebhookChannel(
                    **url,
                    **shared,
                    method="PUT",
                    headers={"X-Site": "7", "no": "a: b"},
                    header_files={"Authorization": Path.cwd() / "token"},
                    template=draw(st.none() | st.dictionaries(words, templates, max_size=3).map(to_json)),
                )
            ),
            by_url.map(
                lambda url: NtfyChannel(**url, **login, **shared, priority=5, tags=("a", "on"), click="http://h/")
            ),
            st.builds(
                CommandChannel,
                paths,
                st.lists(st.sampled_from(["", "7", "a b", "\n", "on"])).map(tuple),
                seconds(1, 50),
            ),
            st.builds(AppriseChannel, paths),
        )
    )
    return ChannelSettings(via, draw(st.booleans()))


def to_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


@st.composite
def notifies(draw: st.DrawFn) -> NotifySettings:
    beat = by_url.map(lambda url: HeartbeatSettings(**url, interval=draw(seconds(15, 86_400)), proxy="none"))
    return NotifySettings(
        draw(st.none() | words), draw(st.dictionaries(channel_names, channels(), max_size=3)), draw(st.none() | beat)
    )


@st.composite
def settings_of_all_kinds(draw: st.DrawFn) -> Settings:
    voters = draw(st.lists(votes, min_size=1, max_size=4, unique_by=lambda target: target.name))
    chosen = [*voters, *draw(st.lists(evidence, max_size=2, unique_by=lambda target: target.name))]
    check_interval = draw(seconds(0.01, 3600))
    timeout = draw(st.floats(0.01, min(60, check_interval)))
    link, plans = draw(links(len(voters), check_interval, timeout)), draw(services())
    ports, shared = draw(forwards(plans)), draw(forwardings())
    led = {name: ForwardPlan(port.port, port.alternatives, shared.bind, shared.reclaim) for name, port in ports.items()}
    plans = tuple(structs.replace(plan, forward=led.get(plan.name)) for plan in plans)
    return Settings(
        source="",
        state_dir=draw(paths),
        plan=Plan(link, draw(recoveries()), plans),
        targets=tuple(chosen),
        timeout=timeout,
        kubernetes=KubernetesSettings(
            draw(st.none() | paths),
            draw(st.none() | words),
            draw(names),
            draw(seconds(0.01, 300)),
            draw(seconds(0.01, 300)),
            draw(st.dictionaries(registries, st.sampled_from(["none", "https://m.example:5000", "http://[::1]"]))),
        ),
        forwards=ports,
        forwarding=shared,
        journal=draw(
            st.builds(
                JournalSettings,
                seconds(0.0, 315_360_000.0),
                seconds(86_400.0, 315_360_000.0),
                st.integers(10, 1_000_000),
            )
        ),
        metrics=draw(
            st.builds(
                MetricsSettings,
                st.none() | st.tuples(st.sampled_from(["127.0.0.1", "::1", "192.0.2.1"]), st.integers(1, 65535)),
                st.just(True),
            )
        ),
        notify=draw(notifies()),
        logging=LoggingSettings(
            draw(st.none() | paths),
            draw(st.sampled_from(["debug", "info", "warning", "error"])),
            draw(st.sampled_from(["text", "json"])),
            draw(st.booleans()),
            draw(st.integers(1, 1_000_000)),
            draw(st.integers(1, 1000)),
            draw(st.booleans()),
        ),
    )


@hypothesis.settings(max_examples=40)  # each loads a whole configuration
@given(settings_of_all_kinds())
def test_a_description_loads_again_to_the_same_settings(original: Settings) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "connmon.yaml"
        path.write_text(describe_settings(original), encoding="utf-8")
        loaded = load_settings(path, state_dir=None, environment={})
    assert replace(loaded, source="") == original


def test_the_shipped_configuration_is_described_and_loads_again(tmp_path: Path) -> None:
    shipped = load_settings(SHIPPED, state_dir=tmp_path, environment={})
    path = tmp_path / "connmon.yaml"
    path.write_text(describe_settings(shipped), encoding="utf-8")
    loaded = load_settings(path, state_dir=None, environment={})
    assert replace(loaded, source=shipped.source) == shipped


@given(st.text())
def test_quoted_text_is_the_same_text_to_every_yaml_reader(text: str) -> None:
    assert yaml.safe_load(f"key: {quote_text(text)}") == {"key": text}
