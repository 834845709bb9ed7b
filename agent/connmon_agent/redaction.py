"""Taking credentials out of text that others wrote, before anybody reads it or it is kept.

Messages quote what was wrong, and what was wrong may hold a password: a URL that cannot be parsed, what a credential
plugin printed instead of its answer, the words of an API. What looks like a credential becomes ``***``; the host of a
URL, the name of a key and everything else stay. The patterns are those of the credentials that kubeconfigs, cloud
plugins, proxies and registries use; a word too many lost is better than a password shown.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import NamedTuple

MASK = "***"

# Names whose value is a credential whatever it looks like: a password, or a token or key with what it is for before it.
_SURE = (
    r"(?:[a-z0-9]{1,20}[_-]){0,5}"
    r"(?:[a-z0-9]{0,20}(?:passw(?:or)?d|passwort|kennwort|passphrase)|passcode|pwd|client-key-data|set-cookie"
    r"|(?:access|refresh|id|auth|bearer|api|csrf|xsrf|session|client|private|secret|bot|sas|security|account"
    r"|shared[_-]?access|subscription|routing|integration|encryption|master|webhook|consumer|deploy|job|push|join)[_-]?"
    r"(?:token|key|secret|signature)(?:[_-]?data)?)"
)
# The last word of a variable, a field of JSON or a header: HF_TOKEN, "hfToken", X-Vault-Token.
_LAST = r"(?:token|secret|password|passwd|pass|key|credentials?|signature|auth|session(?:[_-]?id)?)"
# Names that are words, too: `token: expired` is no credential, `token: 3xp1r3d` may be one.
_PERHAPS = r"(?:token|secret|credentials?|cookie|sig(?:nature)?|x-amz-(?:signature|credential))"
_START = r"(?<![\w.-])"
_WORD = r"[^\s\"',;&]"
_UNMASKED = r"(?!\*\*\*)"
_COLON = r"\\*[\"']?\s?:\s?"

# One of them is in every text that holds a name of those above.
_NAMES = ("pass", "kennwort", "pwd", "key", "cookie", "token", "secret", "sig", "credential", "auth", "session")
# How tokens begin that are known by their form.
_PREFIXES = (
    "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "glrt-", "gldt-", "glptt-", "glcbt-", "xoxa-",
    "xoxb-", "xoxe-", "xoxp-", "xoxr-", "xoxs-", "xapp-", "ya29.", "1//0", "sha256~", "npm_", "pypi-", "dckr_pat_",
    "dop_v1_", "sk_live_", "sk_test_", "rk_live_", "rk_test_", "hvs.", "hvb.", "hvr.", "tskey-", "shpat_", "shpss_",
    "sk-", "SG.", "AIza", "AGE-SECRET-KEY-1",
)  # fmt: skip


class _Pattern(NamedTuple):
    """``needles``: without one of them in the text, in lower case, it cannot match; looking for them costs little."""

    needles: tuple[str, ...]
    pattern: str
    replacement: str = MASK


_PATTERNS = (
    # A private key, whole or cut off; also in base64, as a kubeconfig holds it.
    _Pattern(
        ("private key",),
        r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY(?: BLOCK)?-----"
        r".*?(?:-----END [A-Z ]{0,30}PRIVATE KEY(?: BLOCK)?-----|\Z)",
    ),
    _Pattern(("ls0tls1crudjti",), r"LS0tLS1CRUdJTi[A-Za-z0-9+/=]+"),
    # The user and password of a URL: up to the last @ before its path, or in a port that is no number.
    _Pattern(
        ("@",),
        r"(?i)((?:[a-z][a-z0-9+.-]{0,20}:)?//)"
        r"(?:[^\s/\"'<>]{0,500}|[^\s/\"'<>:@]{0,200}:(?!\d+(?:/|$))[^\s\"'<>]{0,500})@",
        rf"\1{MASK}@",
    ),
    _Pattern(("@",), r"(?<![\w/@.-])[\w.%+-]{1,200}:(?!//)[^\s\"'@]{1,200}@(?!sha\d+:)(?=[\w\[])", f"{MASK}@"),
    # Addresses that are the credential: whoever knows them may write there.
    _Pattern(
        ("hook",),
        r"(?i)(\bhttps?://[^\s\"'<>/]{1,200}/(?:[^\s\"'<>/]{1,100}/){0,6}(?:web)?hooks?/)[^\s\"'<>]+",
        rf"\1{MASK}",
    ),
    _Pattern(
        ("hook",),
        r"(?i)(\bhttps?://(?:hooks\.[^\s\"'<>/]{1,200}/|[\w.-]{1,100}\.office\.com/webhook[^\s\"'<>/]{0,20}/))"
        r"(?!(?:web)?hooks?/)[^\s\"'<>]+",
        rf"\1{MASK}",
    ),
    _Pattern(("/bot",), r"(/bot)\d{5,}:[\w-]{20,}", rf"\1{MASK}"),
    # Headers of HTTP, and a scheme with its credential where no header is named.
    _Pattern(
        ("authorization",),
        r"(?i)(\bauthorization\\*[\"']?\s*[:=]\s*\\*[\"']?)(?:digest|oauth|hawk|signature)\s[^\r\n]*",
        rf"\1{MASK}",
    ),
    _Pattern(
        ("cookie",),
        r"(?i)((?<!set-)\bcookie\\*[\"']?\s?:\s?\\*[\"']?)"
        rf"[^\s\"',;=]{{1,200}}={_WORD}*(?:;\s?[^\s\"',;=]{{1,200}}={_WORD}*)*",
        rf"\1{MASK}",
    ),
    _Pattern(
        ("authorization",),
        r"(?i)(\bauthorization\\*[\"']?\s*[:=]\s*\\*[\"']?)(?:[a-z]+\s+)?[^\s\"',]+",
        rf"\1{MASK}",
    ),
    _Pattern(
        ("bearer", "basic", "negotiate", "digest"),
        r"(?i)(\b(?:bearer|basic|negotiate|digest)\s+)(?=[^\s\"',]{0,500}[0-9+/=_~])[^\s\"',]{6,}",
        rf"\1{MASK}",
    ),
    # A name and its value: in JSON or YAML, in a query, a form, a shell or a header.
    _Pattern(
        _NAMES,
        rf"(?i)({_START}(?:{_SURE}|{_PERHAPS})\\*[\"']?\s?[:=]\s?)"
        rf"(?:\\*\"(?:[^\"\\]|\\[^\"])*\\?(?:\"|\Z)|'[^']*(?:'|\Z))",
        rf"\1{MASK}",
    ),
    _Pattern(_NAMES, rf"(?i)({_START}{_SURE}(?:=|{_COLON})){_UNMASKED}{_WORD}+", rf"\1{MASK}"),
    _Pattern(_NAMES, rf"(?i)({_START}{_PERHAPS}=){_WORD}+", rf"\1{MASK}"),
    _Pattern(
        _NAMES,
        rf"(?i)({_START}{_PERHAPS}{_COLON}){_UNMASKED}(?={_WORD}{{0,500}}?[^a-z\s\"',;&.:]){_WORD}+",
        rf"\1{MASK}",
    ),
    _Pattern(
        ("pass", "kennwort"),
        r"(?i)(\b(?:password|passphrase|passwort|kennwort)\s(?:is\s)?)(?:\"[^\"]{6,}\"|'[^']{6,}')",
        rf"\1{MASK}",
    ),
    # Names of which only the last word says what they are.
    _Pattern(
        _NAMES,
        r"\b((?:[A-Z0-9]{1,20}_){1,6}(?:TOKEN|SECRET|PASS|PASSWORD|PASSWD|KEY|CREDENTIALS?|AUTH)=)"
        rf"{_UNMASKED}{_WORD}+",
        rf"\1{MASK}",
    ),
    _Pattern(
        ("x-",),
        rf"(?i)(\bx-(?:[a-z0-9]{{1,20}}-){{0,4}}{_LAST}{_COLON}\\*[\"']?){_UNMASKED}{_WORD}+",
        rf"\1{MASK}",
    ),
    _Pattern(
        ("token", "secret", "key", "credential", "auth"),
        r"(?i)([\"'](?:[\w.-]{0,40}(?:token|secret|api_?key|credential)|auth)\\*[\"']\s?:\s?)"
        r"\\*[\"'](?!\*\*\*)[^\"'\\]*\\*[\"']",
        rf"\1{MASK}",
    ),
    _Pattern(
        ("value",),
        r"(?i)(\bname\\*[\"']?\s?[:=]\s?\\*[\"']?"
        r"[\w.-]{0,60}(?:token|secret|password|passwd|key|credentials?)\\*[\"']?"
        rf"[,;]?\s{{0,20}}\\*[\"']?value\\*[\"']?\s?[:=]\s?\\*[\"']?){_UNMASKED}[^\s\"',;&}}\\]+",
        rf"\1{MASK}",
    ),
    # Options of commands, the parameters of a URL that are never for people, and the words of SMTP.
    _Pattern(
        ("--",),
        r"(?i)((?<![\w-])--(?:[a-z]{1,20}-){0,4}(?:password|passwd|token|secret|(?:api|access|secret)-key)[ =])"
        rf"{_UNMASKED}(?:\"[^\"]*\"|'[^']*'|[^\s\"'-]{_WORD}*)",
        rf"\1{MASK}",
    ),
    _Pattern(("-u",), r"(?i)((?<!\S)(?:-u|--user|--proxy-user)[ =])[^\s:\"']{1,100}:[^\s\"']+", rf"\1{MASK}"),
    _Pattern(
        ("?", "&"),
        r"(?i)([?&](?:code|key|sid|session|auth|ticket|otp|jwt|pass|apikey|assertion|samlresponse)=)"
        rf"{_UNMASKED}[^\s\"'&#<>]+",
        rf"\1{MASK}",
    ),
    _Pattern(("auth",), r"(?i)(\bauth\s+(?:plain|login|cram-md5|xoauth2)\s+)[^\s\"',]{4,}", rf"\1{MASK}"),
    # What is known by its form: JWT, hashes of passwords, Amazon, kubeadm, Telegram, and tokens by their beginning.
    _Pattern(("eyj",), r"\beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)*"),
    _Pattern(("$",), r"\$(?:1|2[abxy]|5|6|y|apr1|argon2id?)\$[^\s\"',:]{8,}"),
    _Pattern(("k8s-aws-v1",), r"\bk8s-aws-v1\.[A-Za-z0-9_=-]+"),
    _Pattern(("akia", "asia"), r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    _Pattern((":aa",), r"(?<![\w:.-])\d{8,10}:AA[\w-]{30,}"),
    _Pattern((".",), r"(?<![\w.-])[a-z0-9]{6}\.(?=[a-z]*[0-9])[a-z0-9]{16}(?![\w.-])"),
    _Pattern(
        tuple(prefix.lower() for prefix in _PREFIXES),
        rf"(?<!\w)(?:{'|'.join(map(re.escape, _PREFIXES))})"
        r"(?=[A-Za-z0-9_.-]{0,60}[0-9]|[A-Za-z0-9_.-]{40})[A-Za-z0-9_.-]{8,}",
    ),
)


def redact(text: str) -> str:
    """``text`` with everything in it that looks like a credential replaced by ``***``."""
    return _redact_short(text) if len(text) <= _SHORT else _redact(text)


def _redact(text: str) -> str:
    lowered = text.lower()
    for one in _PATTERNS:
        if any(needle in lowered for needle in one.needles):
            text = _compile(one.pattern).sub(one.replacement, text)
    return text


@cache
def _compile(pattern: str) -> re.Pattern[str]:
    """Made when a text first needs it: to make all takes 9 ms, which a start and a cold `status` can do without."""
    return re.compile(pattern, re.DOTALL)


_SHORT = 500  # characters; the same reasons come again and again, and looking through one takes 20 microseconds
_redact_short = lru_cache(maxsize=512)(_redact)
