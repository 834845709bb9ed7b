"""Taking credentials out of text that others wrote, before anybody reads it or it is kept.

Messages quote what was wrong, and what was wrong may hold a password: a URL that cannot be parsed, what a credential
plugin printed instead of its answer, the words of an API. What looks like a credential becomes ``***``; the host of a
URL, the name of a key and everything else stay. The patterns are those of the credentials that kubeconfigs, cloud
plugins, proxies and registries use; a word too many lost is better than a password shown.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache

MASK = "***"

# Names whose value is a credential whatever it looks like: a password, or a token or key with what it is for before it.
_SURE = (
    r"(?:[a-z0-9]{1,20}[_-]){0,5}"
    r"(?:passw(?:or)?d|passphrase|pwd|client-key-data|set-cookie"
    r"|(?:access|refresh|id|auth|bearer|api|csrf|xsrf|session|client|private|secret|bot|sas|security)[_-]?"
    r"(?:token|key|secret|signature)(?:[_-]?data)?)"
)
# Names that are words, too: `token: expired` is no credential, `token: 3xp1r3d` may be one.
_PERHAPS = r"(?:token|secret|credentials?|cookie|sig(?:nature)?|x-amz-(?:signature|credential))"
_START = r"(?<![\w.-])"
_WORD = r"[^\s\"',;&]"
_UNMASKED = r"(?!\*\*\*)"
_COLON = r"\\?[\"']?\s?:\s?"

_PATTERNS: tuple[tuple[str, str], ...] = (
    # A private key, whole or cut off; also in base64, as a kubeconfig holds it.
    (r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----.*?(?:-----END [A-Z ]{0,30}PRIVATE KEY-----|\Z)", MASK),
    (r"LS0tLS1CRUdJTi[A-Za-z0-9+/=]+", MASK),
    # The user and password of a URL: up to the last @ before its path, or in a port that is no number.
    (
        r"(?i)((?:[a-z][a-z0-9+.-]{0,20}:)?//)"
        r"(?:[^\s/\"'<>]{0,500}|[^\s/\"'<>:@]{0,200}:(?!\d+(?:/|$))[^\s\"'<>]{0,500})@",
        rf"\1{MASK}@",
    ),
    (r"(?<![\w/@.-])[\w.%+-]{1,200}:(?!//)[^\s\"'@]{1,200}@(?!sha\d+:)(?=[\w\[])", f"{MASK}@"),
    # Headers of HTTP, and a scheme with its credential where no header is named.
    (r"(?i)(\bauthorization\\?[\"']?\s*[:=]\s*\\?[\"']?)(?:[a-z]+\s+)?[^\s\"',]+", rf"\1{MASK}"),
    (r"(?i)(\b(?:bearer|basic|negotiate|digest)\s+)(?=[^\s\"',]{0,500}[0-9+/=_~])[^\s\"',]{6,}", rf"\1{MASK}"),
    # A name and its value: in JSON or YAML, in a query, a form, a shell or a header.
    (
        rf"(?i)({_START}(?:{_SURE}|{_PERHAPS})\\?[\"']?\s?[:=]\s?)"
        rf"(?:\\?\"(?:[^\"\\]|\\[^\"])*\\?(?:\"|\Z)|'[^']*(?:'|\Z))",
        rf"\1{MASK}",
    ),
    (rf"(?i)({_START}{_SURE}(?:=|{_COLON})){_UNMASKED}{_WORD}+", rf"\1{MASK}"),
    (rf"(?i)({_START}{_PERHAPS}=){_WORD}+", rf"\1{MASK}"),
    (rf"(?i)({_START}{_PERHAPS}{_COLON}){_UNMASKED}(?={_WORD}{{0,500}}?[^a-z\s\"',;&.:]){_WORD}+", rf"\1{MASK}"),
    # What is known by its form: JWT, Amazon, GitHub, GitLab, Slack, Google, OpenShift, kubeadm.
    (r"\beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)?", MASK),
    (r"\bk8s-aws-v1\.[A-Za-z0-9_=-]+", MASK),
    (r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b", MASK),
    (r"\b(?:gh[pousr]_|github_pat_|glpat-|xox[abprs]-|ya29\.|sha256~)[A-Za-z0-9_.-]{8,}", MASK),
    (r"(?<![\w.-])[a-z0-9]{6}\.(?=[a-z]*[0-9])[a-z0-9]{16}(?![\w.-])", MASK),
)


def redact(text: str) -> str:
    """``text`` with everything in it that looks like a credential replaced by ``***``."""
    return _redact_short(text) if len(text) <= _SHORT else _redact(text)


def _redact(text: str) -> str:
    for pattern, replacement in _compiled():
        text = pattern.sub(replacement, text)
    return text


@cache
def _compiled() -> tuple[tuple[re.Pattern[str], str], ...]:
    """Made when they are first needed: a cold `status` needs none of them."""
    return tuple((re.compile(pattern, re.DOTALL), replacement) for pattern, replacement in _PATTERNS)


_SHORT = 500  # characters; the same reasons come again and again, and looking through one takes 50 microseconds
_redact_short = lru_cache(maxsize=512)(_redact)
