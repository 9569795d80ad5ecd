"""Secrets that show by their own shape: provider keys, JWTs, private keys, URLs with passwords.

Works on text alone and imports nothing of ours. What is a secret only because of the name it
stands under is found by :mod:`harness_tracing.secret_rules.names`.

Speed: the providers' prefixes nearly all end in ``_``, ``-`` or ``.`` before a long run of
letters and digits. One regular expression finds those few places, a dictionary lookup on the
three characters there names the rules to try, so the number of providers costs nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Callable, Optional


@dataclass(frozen=True)
class Secret:
    """A secret in a text: ``text[start:end]``. Of overlapping finds the lowest `rank` names it."""

    start: int
    end: int
    kind: str
    rank: int = 5


_WORD = r"[A-Za-z0-9_-]"
_ALNUM = r"[A-Za-z0-9]"
_HEX = r"[A-Fa-f0-9]"
_DOTTED = r"[A-Za-z0-9_.=%-]"

# A token may be split by quoting: "ghp_ab" + "cd", ghp_ab"cd", two adjacent literals on two
# lines, or a shell line continuation; quotes may be escaped when the text is JSON.
_JOIN = (
    r"(?:\\{0,3}[\"'](?:(?:[ \t]{0,40}[+\n][ \t\n]{0,80})?\\{0,3}[\"'])?"
    r"|\\\r?\n[ \t]{0,80})"
)
_BODY = {
    cls: re.compile(rf"(?:{_JOIN})?{cls}{{1,300}}(?:{_JOIN}{cls}{{1,300}}){{0,3}}")
    for cls in (_WORD, _ALNUM, _HEX, _DOTTED)
}
_REST = {cls: re.compile(rf"{cls}*") for cls in _BODY}
_JOINED = re.compile(_JOIN)


@dataclass(frozen=True)
class _Prefixed:
    kind: str
    prefix: str
    body: str
    least: int
    check: Optional[Callable[[str], bool]] = None
    rank: int = 1


def _has_digit(body: str) -> bool:
    return any(c.isdigit() for c in body)


_LONG_RUN = re.compile(r"[A-Za-z0-9]{16,}")


def _has_long_run(body: str) -> bool:
    """Tells ``sk-4f…`` from class names such as ``sk-circle-fade-dot-animation``."""
    return any(_has_digit(run) for run in _LONG_RUN.findall(body))


_SK_FAMILY = {
    "sk-ant-": "anthropic-key",
    "sk-proj-": "openai-key",
    "sk-svcacct-": "openai-key",
    "sk-admin-": "openai-key",
    "sk-or-v1-": "openrouter-key",
    "sk-lf-": "langfuse-key",
}


def _rules() -> list[_Prefixed]:
    rules = [
        *(_Prefixed(kind, p, _WORD, 20, _has_digit) for p, kind in _SK_FAMILY.items()),
        _Prefixed("api-key", "sk-", _WORD, 20, _has_long_run),
        _Prefixed("github-token", "github_pat_", _WORD, 30),
        _Prefixed("npm-token", "npm_", _ALNUM, 30),
        _Prefixed("pypi-token", "pypi-", _WORD, 50),
        _Prefixed("huggingface-token", "hf_", _ALNUM, 30),
        _Prefixed("sendgrid-key", "SG.", _DOTTED, 40),
        _Prefixed("google-token", "ya29.", _WORD, 20),
        _Prefixed("google-secret", "GOCSPX-", _WORD, 20),
        _Prefixed("mailgun-key", "key-", _HEX, 32),
        _Prefixed("replicate-token", "r8_", _ALNUM, 30),
        _Prefixed("digitalocean-token", "_v1_", _HEX, 60, rank=2),
        _Prefixed("age-key", "AGE-SECRET-KEY-", _ALNUM, 50),
        _Prefixed("postman-key", "PMAK-", _WORD, 40),
        _Prefixed("docker-token", "dckr_pat_", _WORD, 20),
        _Prefixed("rubygems-key", "rubygems_", _HEX, 40),
        _Prefixed("nvidia-key", "nvapi-", _WORD, 40),
        _Prefixed("new-relic-key", "NRAK-", _ALNUM, 24),
        _Prefixed("supabase-token", "sbp_", _HEX, 32),
        _Prefixed("linear-key", "lin_api_", _ALNUM, 30),
        _Prefixed("notion-token", "ntn_", _ALNUM, 30),
        _Prefixed("figma-token", "figd_", _WORD, 30),
        _Prefixed("pulumi-token", "pul-", _HEX, 40),
        _Prefixed("grafana-token", "glsa_", _WORD, 30),
        _Prefixed("tavily-key", "tvly-", _WORD, 20, _has_digit),
        _Prefixed("stripe-secret", "whsec_", _ALNUM, 24),
    ]
    families = {
        ("github-token", _ALNUM, 30): "ghp_ gho_ ghu_ ghs_ ghr_",
        (
            "gitlab-token",
            _WORD,
            18,
        ): "glpat- gldt- glrt- glcbt- glptt- glft- glsoat- gloas- glagent-",
        ("slack-token", _DOTTED, 16): "xoxb- xoxp- xoxa- xoxo- xoxr- xoxs- xoxe- xoxc- xoxd- xapp-",
        ("stripe-key", _ALNUM, 16): "sk_live_ sk_test_ rk_live_ rk_test_",
        ("api-key", _ALNUM, 24): "gsk_ xai- pplx- e2b_",
        ("shopify-token", _HEX, 30): "shpat_ shpca_ shppa_ shpss_",
        ("vault-token", _WORD, 20): "hvs. hvb. hvr.",
        ("sentry-token", _DOTTED, 40): "sntrys_ sntryu_",
        ("planetscale-token", _DOTTED, 30): "pscale_tkn_ pscale_pw_ pscale_oauth_",
    }
    for (kind, body, least), prefixes in families.items():
        rules += [_Prefixed(kind, p, body, least, _has_digit) for p in prefixes.split()]
    return rules


def _by_ending(rules: list[_Prefixed]) -> dict[str, tuple[_Prefixed, ...]]:
    endings: dict[str, tuple[_Prefixed, ...]] = {}
    for rule in rules:
        key = rule.prefix[-3:]
        endings[key] = (*endings.get(key, ()), rule)
    return endings


_RULES = _by_ending(_rules())


def _places_of(last: str) -> re.Pattern[str]:
    """Where a prefix that ends in this letter may end; that begins with one letter is quick."""
    endings = [ending for ending in _RULES if ending[-1] == last]
    first, second = ("".join(sorted({ending[n] for ending in endings})) for n in (0, 1))
    last = re.escape(last)
    return re.compile(rf"{last}(?=[A-Za-z0-9_-]{{12}})(?<=[{first}][{second}]{last})")


_PLACES = tuple(map(_places_of, sorted({ending[-1] for ending in _RULES})))


def _prefixed(text: str) -> Iterator[Secret]:
    done = 0
    for at in sorted(place.start() for places in _PLACES for place in places.finditer(text)):
        rules = _RULES.get(text[at - 2 : at + 1])
        if rules is None or at < done:  # inside a token already found: a long run stays linear
            continue
        for rule in rules:
            found = _apply(rule, text, at)
            if found is not None:
                done = found.end
                yield found


def _apply(rule: _Prefixed, text: str, at: int) -> Optional[Secret]:
    start = at + 1 - len(rule.prefix)
    if start < 0 or not text.startswith(rule.prefix, start):
        return None
    if rule.prefix[0] != "_" and not starts_word(text, start):
        return None
    found = _BODY[rule.body].match(text, at + 1)
    if found is None:
        return None
    body = _JOINED.sub("", found.group())
    if len(body) < rule.least or not (rule.check is None or rule.check(body)):
        return None
    rest = _REST[rule.body].match(text, found.end())
    end = rest.end() if rest else found.end()
    return Secret(start, end, _kind(rule, text, start), rule.rank)


def _kind(rule: _Prefixed, text: str, start: int) -> str:
    if rule.prefix == "sk-":
        for prefix, kind in _SK_FAMILY.items():
            if text.startswith(prefix, start):
                return kind
    return rule.kind


_ESCAPED = re.compile(r"\\[nrtfbv0]\Z|%[0-9A-Fa-f]{2}\Z|\\u[0-9A-Fa-f]{4}\Z|\x1b\[[0-9;]{0,8}m\Z")


def starts_word(text: str, at: int) -> bool:
    """Whether a word begins at `at`: after nothing, no letter, or an escape such as ``\\n``."""
    if at == 0 or not text[at - 1].isalnum():
        return True
    return _ESCAPED.search(text[max(0, at - 12) : at]) is not None


_Match = Callable[[str, int], Optional[Secret]]

# --- secrets found by a word that always stands in them

# One letter that starts several: looked for at once, which is as fast as looking for one.
_LETTER_A = re.compile(
    r"A(?:(?P<aws>(?:KIA|SIA|BIA|CCA)[A-Z2-7]{16}(?![A-Za-z0-9]))|(?P<google>Iza[A-Za-z0-9_-]{30,})"
    r"|(?P<atlassian>T[AC]TT3[A-Za-z0-9_=-]{40,})|(?P<artifactory>KCp[A-Za-z0-9]{40,})"
    r"|(?P<telegram>(?<=:A)A[A-Za-z0-9_-]{33}(?![A-Za-z0-9_-])))"
)
_LETTER_A_KINDS = {
    "aws": "aws-key",
    "google": "google-key",
    "atlassian": "atlassian-token",
    "artifactory": "artifactory-key",
}
# One rare letter is found many times as fast as the word it stands in.
_LETTER_J = re.compile(r"J(?<=eyJ)(?=[A-Za-z0-9_-]{8})")
_JWT = re.compile(r"(?<![_-])eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?")
_DATABRICKS = re.compile(r"dapi[a-f0-9]{32}(?:-\d)?(?![A-Za-z0-9])")
_BEARER = re.compile(r"[Bb]earer[ \t]{1,4}(?P<secret>[A-Za-z0-9._~+/=-]{16,})")
_KEY_BEGIN = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
    r"(?=[\s\S]{0,400}?[A-Za-z0-9+/=]{24})"
)
_KEY_END = re.compile(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_KEY_RUN = re.compile(r"[A-Za-z0-9+/=]{16,}")
_KEY_ESCAPED = re.compile(r"(?:[A-Za-z0-9+/=:,. -]|\\{1,8}[nrt])*")
_KEY_LONGEST = 20_000


def _private_key(text: str, at: int) -> Optional[Secret]:
    """The whole block; when its end is missing (``head -5``), as far as it looks like one."""
    begin = _KEY_BEGIN.match(text, at)
    if begin is None:
        return None
    limit = begin.end() + _KEY_LONGEST
    end = _KEY_END.search(text, begin.end(), limit)
    if end is not None:
        return Secret(at, end.end(), "private-key", 0)
    escaped = _KEY_ESCAPED.match(text, begin.end(), limit)
    stop = escaped.end() if escaped else begin.end()
    if text[stop : stop + 1] in ("\n", "\r"):
        stop = _key_lines_end(text, begin.end(), limit)
    return Secret(at, stop, "private-key", 0)


def _key_lines_end(text: str, start: int, limit: int) -> int:
    """Where the lines with key material end: headers and a short last line count as such."""
    at = text.find("\n", start) + 1
    seen_material = False
    while 0 < at < limit:
        line_end = text.find("\n", at, limit)
        line = text[at : line_end if line_end >= 0 else limit]
        material = _KEY_RUN.search(line) is not None
        if not material and (seen_material or (line.strip() and ": " not in line)):
            return at + len(line) if _KEY_TAIL.fullmatch(line) else at
        seen_material = seen_material or material
        at = line_end + 1 if line_end >= 0 else limit
    return min(max(at, start), len(text))


_KEY_TAIL = re.compile(r"\W{0,8}[A-Za-z0-9+/]{1,15}={0,2}\W{0,4}")


_USERINFO = re.compile(
    r"(?:://|:\\/\\/)(?P<user>[^\s/?#@:\"'<>\\`]{0,200}):"
    r"(?P<secret>[^\s\"'<>\\`/?#]{1,200})@(?=[\w.\[{$-])"
)
_DATABASE_USERINFO = re.compile(
    r"://(?P<user>[^\s/?#@:\"'<>\\`]{0,200}):(?P<secret>[^\s\"'<>\\`]{1,200})@(?=[\w.\[-])"
)
_DATABASES = tuple(
    "postgres postgresql mysql mariadb mongodb mongodb+srv redis rediss amqp amqps mssql"
    " clickhouse oracle sqlserver".split()
)
_USER_ONLY = re.compile(r"(?:://|:\\/\\/)(?P<secret>(?=[A-Za-z_-]*\d)[A-Za-z0-9_-]{20,})@")
_WEBHOOK = re.compile(
    r"(?:://|:\\/\\/)(?:hooks\.slack\.com\\?/(?:services|workflows|triggers)\\?/"
    r"|(?:\w{1,20}\.)?discord(?:app)?\.com\\?/api\\?/(?:v\d+\\?/)?webhooks\\?/\d+\\?/"
    r"|[\w.-]{1,80}\.webhook\.office\.com\\?/webhookb2\\?/)"
    r"(?P<secret>[\w./@:\\-]{8,})"
)
_OPEN = re.compile(
    r"[$%<{*\[]|(?:x{3,}|\.{3}|…|(?:pass|passwd|password|pwd|secret|token|pw|redacted)\Z)",
    re.IGNORECASE,
)


def _url(text: str, at: int) -> Optional[Secret]:
    webhook = _WEBHOOK.match(text, at)
    if webhook is not None:
        return Secret(webhook.start("secret"), webhook.end(), "webhook", 1)
    scheme = text[max(0, at - 16) : at].rstrip(":")
    pattern = _USERINFO
    if scheme.endswith(_DATABASES):
        pattern = _DATABASE_USERINFO
    for regex in (pattern, _USER_ONLY):
        found = regex.match(text, at)
        if found is not None and _OPEN.match(found["secret"]) is None:
            return Secret(found.start("secret"), found.end("secret"), "url-password", 2)
    return None


def _simple(regex: re.Pattern[str], kind: str, rank: int = 1) -> _Match:
    def match(text: str, at: int) -> Optional[Secret]:
        found = regex.match(text, at) if at >= 0 and starts_word(text, at) else None
        return None if found is None else Secret(at, found.end(), kind, rank)

    return match


_jwt = _simple(_JWT, "jwt")


def _letter_a(text: str, found: re.Match[str]) -> Optional[Secret]:
    at = found.start()
    kind = found.lastgroup or ""
    if kind == "telegram":
        digits = text[max(0, at - 13) : at - 1]
        number = digits[len(digits.rstrip("0123456789")) :]
        if len(number) < 8:
            return None
        return Secret(at - 1 - len(number), found.end(), "telegram-token", 1)
    if not starts_word(text, at):
        return None
    return Secret(at, found.end(), _LETTER_A_KINDS[kind], 1)


def _one_before(match: _Match) -> _Match:
    """For a needle without its first letter, which has several spellings."""
    return lambda text, at: match(text, at - 1) if at > 0 else None


def _bearer(text: str, at: int) -> Optional[Secret]:
    found = _BEARER.match(text, at)
    if found is None or not _has_digit(found["secret"]):
        return None
    return Secret(found.start("secret"), found.end(), "authorization", 4)


# Without one of the options there is no need to look for the commands that take them.
_OPTION = re.compile(r"-(?<=[ \t]-)(?:[pu]|-user|-proxy-user)")
_COMMANDS = {
    "curl ": re.compile(
        r"curl\b[^\n]{0,200}?[ \t](?:-u|--user|--proxy-user)[ =]?[\"']?"
        r"[^\s:\"'$]{1,80}:(?P<secret>[^\s\"'$]{2,200})"
    ),
    "mysql": re.compile(
        r"mysql\w{0,10}\b[^\n]{0,200}?[ \t]-p(?P<secret>(?![\d$\"'])[^\s\"';|&]{4,100})"
    ),
    "sshpass": re.compile(r"sshpass[ \t]+-p[ \t]*[\"']?(?P<secret>[^\s\"'$]{3,100})"),
    "login ": re.compile(
        r"login (?:[^\n]{0,200}[ \t])?-p[ \t]+[\"']?(?P<secret>(?![$-])[^\s\"'$]{4,300})"
    ),
}
_NETRC = re.compile(
    r"machine[ \t]+\S{1,200}\s{1,40}login\s{1,40}\S{1,200}\s{1,40}"
    r"(?:account\s{1,40}\S{1,200}\s{1,40})?password\s{1,40}(?P<secret>\S{1,300})"
)


def _command(regex: re.Pattern[str]) -> _Match:
    def match(text: str, at: int) -> Optional[Secret]:
        found = regex.match(text, at)
        if found is None:
            return None
        return Secret(found.start("secret"), found.end("secret"), "password", 4)

    return match


_Needles = tuple[tuple[str, _Match], ...]
_NEEDLES: _Needles = (
    ("-----BEGIN", _private_key),
    ("://", _url),
    ("dapi", _simple(_DATABRICKS, "databricks-token")),
    ("earer ", _one_before(_bearer)),
    ("machine ", _command(_NETRC)),
)
_ESCAPED_NEEDLES: _Needles = ((":\\/\\/", _url),)
_COMMAND_NEEDLES: _Needles = tuple((needle, _command(regex)) for needle, regex in _COMMANDS.items())


def find_tokens(text: str) -> Iterator[Secret]:
    """Every secret in `text` that shows by its own shape; finds may overlap, in no order."""
    yield from _prefixed(text)
    for letter in _LETTER_A.finditer(text):
        found = _letter_a(text, letter)
        if found is not None:
            yield found
    done = 0
    for letter in _LETTER_J.finditer(text):
        found = _jwt(text, letter.start() - 2) if letter.start() >= done else None
        if found is not None:
            done = found.end
            yield found
    yield from _at_needles(text, _NEEDLES)
    if "\\" in text:
        yield from _at_needles(text, _ESCAPED_NEEDLES)
    if _OPTION.search(text) is not None:
        yield from _at_needles(text, _COMMAND_NEEDLES)


def _at_needles(text: str, needles: _Needles) -> Iterator[Secret]:
    for needle, match in needles:
        at = text.find(needle)
        while at >= 0:
            found = match(text, at)
            if found is not None:
                yield found
            at = text.find(needle, max(at + 1, found.end if found else 0))
