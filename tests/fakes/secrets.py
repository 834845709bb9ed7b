"""Texts that hold a credential, as files, servers, plugins and libraries write them: of each kind one, drawn anew."""

from __future__ import annotations

import base64
import random
import string
from collections.abc import Callable
from dataclasses import dataclass

LETTERS = string.ascii_letters + string.digits


@dataclass(frozen=True)
class Planted:
    """``text`` with ``secret`` in it, no part of which of eight characters may be shown."""

    kind: str
    text: str
    secret: str

    def is_in(self, shown: str) -> bool:
        """Whether any eight characters of the secret in a row are in ``shown``."""
        return any(self.secret[start : start + 8] in shown for start in range(len(self.secret) - 7))


def _base64(secret: str) -> str:
    return base64.b64encode(f"robot:{secret}".encode()).decode()


# What is around a secret of letters and digits.
FRAMES: dict[str, str] = {
    "user and password of a URL": "Get https://robot:{}@proxy.example:3128/x: 407",
    "token as the user of a URL": "cannot clone https://{}@git.example/erp.git",
    "database": "dial postgresql://erp:{}@db.erp-system:5432/erp: refused",
    "token of a query": "GET http://192.0.2.1/check?access_token={}&format=json answered 401",
    "code of a query": "redirected to https://portal.example/login?code={}",
    "API key of a query": "POST https://api.example/v1?key={} answered 403",
    "signature of a query": "GET https://blob.example/x?sv=2024&sig={} answered 403",
    "bearer header": "Authorization: Bearer {}",
    "bearer alone": "the server refused Bearer {}1 with 401",
    "digest header": 'Authorization: Digest username="robot", realm="x", response="{}"',
    "OAuth header": 'Authorization: OAuth oauth_consumer_key="a", oauth_token="{}"',
    "header of a vault": "X-Vault-Token: {}",
    "header of GitLab": "PRIVATE-TOKEN: {}",
    "header of an API": "X-Api-Key: {}",
    "cookie": "Cookie: theme=dark; session={}",
    "cookie that is set": "Set-Cookie: sid={}; HttpOnly",
    "key of a kubeconfig": "users: [{{user: {{client-key-data: {}}}}}]",
    "token of a kubeconfig": "    token: {}7",
    "password of a kubeconfig": "    password: {}",
    "answer of a plugin": '{{"kind": "ExecCredential", "status": {{"token": "{}"}}}}',
    "variable of a plugin": '{{"name": "CLOUD_API_TOKEN", "value": "{}"}}',
    "variable in YAML": "- name: SMTP_PASSWORD\n  value: {}",
    "password of SMTP": "smtp_password={}",
    "password of SMTP in camel case": "smtpPassword: {}",
    "German password": "Kennwort: {}",
    "Slack webhook": "POST https://hooks.slack.com/services/T0001/B0001/{} answered 404",
    "Discord webhook": "POST https://discord.com/api/webhooks/12345/{} answered 404",
    "Teams webhook": "POST https://erp.webhook.office.com/webhookb2/{} answered 404",
    "Mattermost webhook": "POST https://chat.example/hooks/{} answered 404",
    "home's webhook": "POST http://192.0.2.7:8123/api/webhook/{} answered 404",
    "AWS variable": "AWS_SECRET_ACCESS_KEY={}",
    "any variable": "HF_TOKEN={} is not valid",
    "pg variable": "PGPASSWORD={} psql failed",
    "option": "helm --password {} ended with 1",
    "option with a sign": "tool --api-token={} ended with 1",
    "curl": "curl -u robot:{} https://x.example ended with 22",
    "Azure": "DefaultEndpointsProtocol=https;AccountName=erp;AccountKey={}==",
    "ODBC": "Server=db;Uid=erp;Pwd={};",
    "form": "grant_type=password&client_secret={}&scope=x",
    "nested JSON": '"{{\\"refresh_token\\": \\"{}\\"}}"',
    "cut JSON": '{{"clientSecret": "{}',
    "quoted": "passphrase '{}' is wrong",
}

# What is known by its own form.
FORMS: dict[str, Callable[[str], str]] = {
    "basic header": lambda secret: f"Authorization: Basic {_base64(secret)}",
    "registry": lambda secret: f'{{"auths": {{"registry.example": {{"auth": "{_base64(secret)}"}}}}}}',
    "SMTP": lambda secret: f"AUTH PLAIN {_base64(secret)}",
    "private key": lambda s: f"-----BEGIN EC PRIVATE KEY-----\n{s}\n-----END EC PRIVATE KEY-----",
    "OpenSSH key": lambda s: f"-----BEGIN OPENSSH PRIVATE KEY-----\n{s}\n-----END OPENSSH PRIVATE KEY-----",
    "PGP key": lambda s: f"-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n{s}\n-----END PGP PRIVATE KEY BLOCK-----",
    "key of a service account": lambda s: f'"private_key": "-----BEGIN PRIVATE KEY-----\\n{s}\\n"',
    "JWT": lambda s: f"invalid token eyJhbGciOiJSUzI1NiJ9.eyJ{s}.{s}",
    "JWE": lambda s: f"invalid eyJhbGciOiJSUzI1NiJ9.{s}.{s}.{s}.{s}",
    "AWS key": lambda s: f"key AKIA{s.upper()[:16]} is unknown",
    "GitHub": lambda s: f"remote refused ghp_{s}0{s}",
    "GitLab": lambda s: f"glpat-{s} is revoked",
    "Slack token": lambda s: f"invalid_auth for xoxb-{s}",
    "Google": lambda s: f"refresh 1//0{s} failed",
    "npm": lambda s: f"npm_{s} is no valid token",
    "PyPI": lambda s: f"pypi-AgEI{s}",
    "Docker Hub": lambda s: f"dckr_pat_{s}",
    "Vault": lambda s: f"permission denied for hvs.{s}",
    "SendGrid": lambda s: f"SG.{s}.{s}",
    "Stripe": lambda s: f"Invalid API Key: sk_live_{s}",
    "OpenShift": lambda s: f"sha256~{s}",
    "Telegram": lambda s: f"POST https://api.telegram.org/bot123456789:AA{s}/sendMessage answered 404",
    "hash of a password": lambda s: f"user robot:$2y$10${s}",
}


def plant(draw: random.Random) -> list[Planted]:
    """One of each kind, with secrets drawn for it."""
    planted = []
    for kind, frame in FRAMES.items():
        secret = _draw(draw)
        planted.append(Planted(kind, frame.format(secret), secret))
    for kind, form in FORMS.items():
        secret = _draw(draw)
        text = form(secret)
        shown = next((s for s in (secret, _base64(secret), secret.upper()[:16]) if s in text), secret)
        planted.append(Planted(kind, text, shown))
    return planted


def _draw(draw: random.Random) -> str:
    """Letters with some digits, at least 40: what a credential has, and no word that could be shown otherwise."""
    return "".join(draw.choices(LETTERS, k=38)) + f"{draw.randrange(10)}{draw.choice(string.ascii_letters)}"
