"""Credentials are taken out of every text of others, and nothing else is."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.secrets import plant

from connmon_agent import redaction
from connmon_agent.redaction import MASK, redact

SECRET = "hunter2S3cr3t"
JWT = "eyJhbGciOiJSUzI1NiIsImtpZCI6IiJ9.eyJpc3MiOiJrdWJlcm5ldGVzIn0.c2lnbmF0dXJl"
PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA\nhunter2S3cr3t\n-----END RSA PRIVATE KEY-----"

# What holds a credential, and what is left of it.
PLANTED: dict[str, tuple[str, str]] = {
    "userinfo of a URL": (f"https://u:{SECRET}@host:6443/x", "https://***@host:6443/x"),
    "userinfo without a user": (f"socks5://:{SECRET}@proxy:1080", "socks5://***@proxy:1080"),
    "a token as the user": (f"https://{SECRET}@git.example/x.git", "https://***@git.example/x.git"),
    "an @ in the password": (f"http://u:p@{SECRET}@host/", "http://***@host/"),
    "a slash in the password": (f"http://u:p/{SECRET}@host/", "http://***@host/"),
    "userinfo and a port that is none": (f"https://u:{SECRET}@h:99999999/", "https://***@h:99999999/"),
    "userinfo and half an address": (f"http://u:{SECRET}@[h/", "http://***@[h/"),
    "userinfo without a scheme": (f"u:{SECRET}@host", "***@host"),
    "a bearer header": (f"Authorization: Bearer {SECRET}", "Authorization: ***"),
    "a basic header": ("Authorization: Basic dTpodW50ZXIyUzNjcjN0", "Authorization: ***"),
    "a header of a proxy in JSON": (f'"Proxy-Authorization": "Basic {SECRET}"', '"Proxy-Authorization": "***"'),
    "a scheme alone": (f"sent Bearer {SECRET}, got 401", "sent Bearer ***, got 401"),
    "JSON": (f'{{"token": "{SECRET}", "a": 1}}', '{"token": ***, "a": 1}'),
    "JSON in a string of JSON": (f'"{{\\"token\\": \\"{SECRET}\\"}}"', '"{\\"token\\": ***}"'),
    "JSON that was cut off": (f'{{"accessToken": "{SECRET}', '{"accessToken": ***'),
    "a blank in a quoted password": (f'password: "my {SECRET}"', "password: ***"),
    "single quotes": (f"'clientSecret': '{SECRET}'", "'clientSecret': ***"),
    "YAML": (f"token: {SECRET}", "token: ***"),
    "a password of letters": ("password: hunter", "password: ***"),
    "the shell": (f"AWS_SECRET_ACCESS_KEY={SECRET}", "AWS_SECRET_ACCESS_KEY=***"),
    "a session token": (f"AWS_SESSION_TOKEN={SECRET}", "AWS_SESSION_TOKEN=***"),
    "a query": (f"http://h/?a=1&access_token={SECRET}&b=2", "http://h/?a=1&access_token=***&b=2"),
    "a signature": (f"https://s3/x?X-Amz-Signature={SECRET}", "https://s3/x?X-Amz-Signature=***"),
    "a form": (f"grant_type=password&client_secret={SECRET}", "grant_type=password&client_secret=***"),
    "a cookie": (f"Set-Cookie: session={SECRET}; Path=/", "Set-Cookie: ***; Path=/"),
    "an API key's header": (f"X-Api-Key: {SECRET}", "X-Api-Key: ***"),
    "a registry's password": (f"registry-password={SECRET}", "registry-password=***"),
    "a key of a kubeconfig": (f"client-key-data: {SECRET}", "client-key-data: ***"),
    "a refresh token": (f"'refresh-token': {SECRET}", "'refresh-token': ***"),
    "a JWT": (f"the plugin printed {JWT}", "the plugin printed ***"),
    "a private key": (f"cannot read {PEM}: bad", "cannot read ***: bad"),
    "half a private key": (PEM[:70], MASK),
    "a private key in base64": ("key LS0tLS1CRUdJTiBSU0EgUFJJVkFURSBLRVk= of", "key *** of"),
    "Amazon": ("id AKIAIOSFODNN7EXAMPLE used", "id *** used"),
    "EKS": ("k8s-aws-v1.aHR0cHM6Ly9zdHM expired", "*** expired"),
    "GitHub": ("ghp_16C7e42F292c6912E7710c838347Ae178B4a", MASK),
    "GitLab": ("glpat-abcdefghij1234567890", MASK),
    "Slack": ("xoxb-1234567890-abcdefg", MASK),
    "Google": ("ya29.a0AfH6SMBx_abc", MASK),
    "OpenShift": ("sha256~abcdefgh12345678", MASK),
    "kubeadm": ("join with abcdef.0123456789abcdef now", "join with *** now"),
}

# What administrators need to read whole.
KEPT = (
    "https://10.0.0.1:6443 did not answer GET /api/v1/pods within 8 s",
    "http://192.0.2.1:80/path answered 503",
    "http://host:8080/users/a@b.example",
    "docker.io/library/web:1.27@sha256:0123456789abcdef0123456789abcdef",
    "the kubeconfig names no token; Basic authentication is not supported",
    "the token is expired; Token: expired",
    'secrets "regcred" is forbidden: User "system:serviceaccount:shop:agent" cannot get resource "secrets"',
    "connmon.io/restart-token: 3/1-a7f3",
    "web.token_file: file not found",
    "admin@example.com has to log in",
    "[::1]:8080 is held by nginx (pid 99)",
    "2026-11-23T10:00:00.000000+00:00",
    "credentials: the plugin ended with 1",
    "frontend-6f9c7d8b5c-x2x4z: ImagePullBackOff",
    "error at C:\\ERP\\logs: access denied",
    "certificate key usage: digital signature: required",
    'MountVolume.SetUp failed for volume "tls" : secret "erp-tls" not found',
    "couldn't find key smtp-password in Secret erp-system/mail",
    'failed calling webhook "pods.guard.example": Post "https://guard.ns.svc:443/validate?timeout=10s": refused',
    "GET https://10.0.0.1:6443/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations answered 403",
    "run kubectl --token-file /etc/x --user-agent y",
    "frontend (pod frontend-6f9c7d8b5c-x2x4z): risk-free, task-12345678901234567890",
    "connmon-agent --state-dir /var/lib/connmon-agent status",
    "the password is wrong; log in with another password",
    "RESTART_POLICY=Always",
)


@pytest.mark.parametrize("kind", PLANTED)
def test_a_credential_is_taken_out_and_its_place_is_kept(kind: str) -> None:
    text, left = PLANTED[kind]
    assert redact(text) == left


@pytest.mark.parametrize("kind", PLANTED)
@pytest.mark.parametrize("around", ["{}", "Error: {} (got 5)", "a\n{}\nb", "x: {}", "[{}]"])
def test_no_part_of_it_is_left_wherever_it_stands(kind: str, around: str) -> None:
    assert SECRET not in redact(around.format(PLANTED[kind][0]))


@pytest.mark.parametrize("text", KEPT)
def test_what_is_no_credential_stays(text: str) -> None:
    assert redact(text) == text


def test_no_part_of_any_kind_of_credential_is_left() -> None:
    """65 kinds with drawn secrets, wherever they stand."""
    for seed in range(10):
        for planted in plant(random.Random(seed)):
            for around in ("{}", "Error: {} (got 5)", "a\n{}\nb", "x: {}", "[{}]"):
                assert not planted.is_in(redact(around.format(planted.text))), planted.kind


@given(st.text(max_size=300))
def test_a_redacted_text_has_nothing_left_to_redact(text: str) -> None:
    assert redact(redact(text)) == redact(text)


@pytest.mark.parametrize(
    "piece",
    [
        "://",
        "a:",
        "token:",
        "token=",
        "a-",
        '"token": "',
        "bearer x",
        "eyJ.",
        "@",
        "-----BEGIN PRIVATE KEY-----",
        "--token a",
        "A_KEY=",
        "https://a/hook/",
        "cookie:a=b;",
        "name:token value:",
        "x-a-",
        "$6$",
        "sk-",
        "-u a:",
        "&key=",
    ],
)
def test_a_hostile_text_is_looked_through_once(piece: str) -> None:
    """It ends; a pattern that went over the text again and again would hold the agent for minutes."""
    redact(piece * (200_000 // len(piece)))


def test_only_the_patterns_that_a_text_may_need_are_made() -> None:
    """All of them take 9 ms, of which a start and a cold ``status`` would have nothing."""
    redaction._compile.cache_clear()
    redact("plain words: 4711")
    assert redaction._compile.cache_info().currsize == 0
    redact("https://user:4711@site.example/")
    assert 0 < redaction._compile.cache_info().currsize < 6
