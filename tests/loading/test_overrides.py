"""Settings of a command line, read as in a file."""

from __future__ import annotations

import pytest
import yaml
from msgspec.structs import replace

from connmon_agent.core.plan import LinkPlan, Plan, RecoveryPlan, When
from connmon_agent.errors import ConfigurationError
from connmon_agent.loading.overrides import (
    apply_overrides,
    as_yaml,
    changeable_keys,
    check_overrides,
    read_overrides,
    read_ranges,
    value_in,
)

OPTION = "--what-if"


def read(*words: str) -> Plan:
    return apply_overrides(Plan(), read_overrides(words, option=OPTION))


def test_each_setting_changes_what_a_file_would_change() -> None:
    assert read("link.fall=5").link.fall == 5
    assert read("link.hold=1m30s").link.hold == 90.0
    assert read("link.hold=7").link.hold == 7.0
    assert read("link.metered=true").link.metered is True
    assert read("link.damping.suppress=3000").link.damping.suppress == 3000.0
    assert read("recovery.act=false").recovery.act is False
    assert read("recovery.backoff.first=3s").recovery.backoff_first == 3.0
    assert read("recovery.when=unhealthy").recovery.when is When.UNHEALTHY
    longer = read("recovery.when={outage_longer_than: 30s}").recovery
    assert (longer.when, longer.outage_longer_than) == (When.OUTAGE_LONGER_THAN, 30.0)


def test_every_key_can_be_given_its_own_value() -> None:
    for key in changeable_keys():
        assert read(f"{key}={value_in(Plan(), key)}") == Plan(), key


def test_what_is_not_named_gives_way() -> None:
    found = read("link.check_interval=200ms").link
    assert (found.confirm_interval, found.offline_interval) == (0.2, LinkPlan().offline_interval)
    assert read("link.check_interval=1m").link.offline_interval == 60.0
    assert read("recovery.backoff.first=10m").recovery.backoff_max == 600.0
    assert read("recovery.backoff.max=1s").recovery.backoff_first == 1.0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["link.confirm_interval=1m"], "link.confirm_interval: must be at most link.check_interval, 2s"),
        (["link.check_interval=1m", "link.offline_interval=2s"], "must be at least link.check_interval"),
        (["link.damping.reuse=9000"], "link.damping.reuse: must be below link.damping.suppress"),
        (["link.damping.suppress=50000"], "link.damping.suppress: must be at most link.damping.ceiling"),
        (["recovery.backoff.first=10m", "recovery.backoff.max=1m"], "must be at most recovery.backoff.max"),
        (["link.quorum=4"], "link.quorum: must be at most 3, the number of targets with a vote"),
    ],
)
def test_settings_that_cannot_hold_together_are_refused(words: list[str], told: str) -> None:
    overrides = read_overrides(words, option=OPTION)
    with pytest.raises(ConfigurationError, match=told):
        check_overrides(Plan(), overrides, option=OPTION, targets=3)


def test_what_the_record_itself_has_is_not_refused() -> None:
    odd = replace(Plan(), link=replace(LinkPlan(), quorum=5))
    check_overrides(odd, read_overrides(["link.fall=2"], option=OPTION), option=OPTION, targets=3)


def test_every_mistake_is_told_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_overrides(["link.fall=x", "link.hold=soon", "recovery.whe=always"], option=OPTION)
    assert len(caught.value.problems) == 3


def test_a_range_has_both_its_ends() -> None:
    found = read_ranges("link.fall=2..4,link.hold=0s..25s:10s", option="--sweep")
    assert [tuple(map(str, one)) for one in found][:4] == [
        ("link.fall=2", "link.hold=0s"),
        ("link.fall=2", "link.hold=10s"),
        ("link.fall=2", "link.hold=20s"),
        ("link.fall=3", "link.hold=0s"),
    ]
    assert len(found) == 9
    assert [one[0].value for one in read_ranges("link.fall=2..10:4", option="--sweep")] == [2, 6, 10]
    assert len(read_ranges("recovery.when=always|unhealthy|{outage_longer_than: 30s}", option="--sweep")) == 3
    assert [one[0].text for one in read_ranges("link.hold=0.1s..0.3s:100ms", option="--sweep")] == [
        "100ms",
        "200ms",
        "300ms",
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("link.fall=2..6:nan", "link.fall: has no step that can be used .got nan."),
        ("link.fall=2..6:inf", "link.fall: has no step that can be used .got inf."),
        ("link.fall=2..6:0.5", "link.fall: has no step that can be used .got 0.5."),
        ("link.damping.suppress=1..3:nan", "link.damping.suppress: has no step that can be used"),
        ("link.damping.suppress=1..3:inf", "link.damping.suppress: has no step that can be used"),
        ("link.damping.suppress=1..3:1e-320", "link.damping.suppress: has too many values"),
        ("link.hold=0s..60s:10ms", "link.hold: has 6001 values"),
        ("link.hold=0s..60s:1s,link.fall=2..21", "has 1220 combinations"),
    ],
)
def test_a_range_that_cannot_be_counted_is_refused(text: str, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        read_ranges(text, option="--sweep")


def test_a_combination_is_written_as_a_file_has_it() -> None:
    words = ["link.fall=4", "link.damping.reuse=100", "recovery.backoff.first=5s", "recovery.when=unhealthy"]
    text = as_yaml(read_overrides(words, option=OPTION))
    assert text.splitlines() == [
        "link: {fall: 4, damping: {reuse: 100}}",
        "recovery: {backoff: {first: 5s}, when: unhealthy}",
    ]
    assert yaml.safe_load(text)["recovery"]["backoff"] == {"first": "5s"}


def test_the_defaults_are_the_plans() -> None:
    assert value_in(Plan(), "recovery.when") == RecoveryPlan().when
    assert value_in(Plan(), "link.hold") == "10s"
