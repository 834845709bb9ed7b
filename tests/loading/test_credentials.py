"""A credential or a command for the terminal that stands in a configuration by mistake is in no message about it."""

from __future__ import annotations

from pathlib import Path

import pytest

from connmon_agent.errors import ConfigurationError
from connmon_agent.loading.configuration import load_settings

SECRET = "hunter2S3cr3t"
URLS = (
    f"https://u:{SECRET}@h/",
    f"https://u:{SECRET}@h:99999999/",
    f"http://u:{SECRET}@[h/",
    f"u:{SECRET}@h",
    f"http://{SECRET}@h/",
    f"http://u:p/{SECRET}@h/",
    f"ftp://u:{SECRET}@h/",
    f"http://h h/?token={SECRET}",
    f"http://h/?access_token={SECRET}#x",
    f"//u:{SECRET}@h/x",
)
PLACES = (
    "link: {{targets: [{{kind: http, url: {}}}]}}",
    "link: {{targets: [{{kind: http, url: 'http://192.0.2.1/', proxy: {}}}]}}",
    "link: {{targets: [{{kind: tcp, host: {}, port: 80}}]}}",
    "link: {{targets: [{{kind: icmp, host: {}}}]}}",
    "link: {{targets: [{{kind: dns, server: {}, name: a.example}}]}}",
    "link: {{targets: [{{kind: dns, server: 192.0.2.1, name: {}}}]}}",
    "link: {{targets: [{}]}}",
    "link: {{check_interval: {}}}",
    "link: {}",
    "kubernetes: {{namespace: {}}}",
    "services: {{web: {{deployment: {}}}}}",
    "services: {{web: {{depends_on: [{}]}}}}",
    "services: {{{}: {{}}}}",
    "forwards: {{bind: {}}}",
    "logging: {{level: {}}}",
    "{}: 5",
)


def find_message(path: Path, text: str) -> str:
    path.write_text(text + "\n", encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load_settings(path, state_dir=None, environment={})
    return str(caught.value)


@pytest.mark.parametrize("place", PLACES)
def test_a_credential_in_a_wrong_value_is_not_repeated(tmp_path: Path, place: str) -> None:
    for url in URLS:
        message = find_message(tmp_path / "connmon.yaml", place.format(f'"{url}"'))
        assert SECRET not in message, url


@pytest.mark.parametrize("place", PLACES)
def test_a_command_for_the_terminal_is_shown_as_text(tmp_path: Path, place: str) -> None:
    for character in ("\\e[31m", "\\0", "\\u202e", "\\n", "\\u2028", "\\x9b"):
        message = find_message(tmp_path / "connmon.yaml", place.format(f'"a{character}b c!"'))
        assert all(line.isprintable() for line in message.split("\n"))
        assert all(line.startswith(str(tmp_path)) for line in message.split("\n")), "one line a mistake"


def test_a_query_that_is_meant_is_kept_out_of_the_name_of_the_target(tmp_path: Path) -> None:
    path = tmp_path / "connmon.yaml"
    path.write_text(f"link: {{targets: [{{kind: http, url: 'http://192.0.2.1/?token={SECRET}'}}]}}\n")
    (target,) = load_settings(path, state_dir=None, environment={}).targets
    assert target.name == "http://192.0.2.1/?token=***"
