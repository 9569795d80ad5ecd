"""Two corpora for the redaction of secrets: what must be found, and what must be left alone.

Every secret here is made up. Tokens are put together from pieces so that no scanner of
repositories takes this file for a leak.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

_BODY = "Zk3vQ9xW7bT2nLp5Rf8sYc4Gh6Jd1MaE0uKiXoVwBzNqCtPyHrSgUlDmFeAj" * 4
_OTHER = _BODY[::-1]  # for what is no secret: no corpus holds a piece of the other


def fake(prefix: str, length: int) -> str:
    """A made-up token: the prefix and `length` letters and digits."""
    return prefix + _BODY[:length]


def fake_hex(prefix: str, length: int) -> str:
    """The same in hexadecimal digits."""
    return prefix + ("3f9a0c7be15d2846" * 8)[:length]


@dataclass(frozen=True)
class Leak:
    """A text, the secrets in it of which nothing may survive, and what must stay readable."""

    text: str
    secrets: tuple[str, ...]
    kind: str
    stays: tuple[str, ...] = ()


JWT = "eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiIxMjM0NTY3ODkwIn0." + "dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P"
KEY_BODY = "\n".join(
    ["MIIEpAIBAAKCAQEA" + _BODY[i : i + 48] for i in range(0, 144, 48)] + [_BODY[7:40] + "=="]
)
PRIVATE_KEY = (
    "-----BEGIN RSA " + "PRIVATE KEY-----\n" + KEY_BODY + "\n-----END RSA " + "PRIVATE KEY-----"
)
GITHUB = fake("gh" + "p_", 36)
ANTHROPIC = fake("sk-" + "ant-api03-", 60) + "-AA"
OPENAI = fake("sk-" + "proj-", 48)
AWS_ID = "AKIA" + "IOSFODNN7EXAMPLE"
AWS_SECRET = "wJalrXUtnFEMI/K7MDENG/" + "bPxRfiCYEXAMPLEKEY"


def _leak(text: str, secret: str, kind: str, *stays: str) -> Leak:
    return Leak(text, (secret,), kind, stays)


SHAPED = [
    _leak(f"key is {ANTHROPIC}.", ANTHROPIC, "anthropic-key", "key is "),
    _leak(f"Incorrect API key provided: {OPENAI}", OPENAI, "openai-key"),
    _leak(f"use {fake('sk-', 48)} here", fake("sk-", 48), "api-key", "use ", " here"),
    _leak(fake_hex("sk-or-v1-", 64), fake_hex("sk-or-v1-", 64), "openrouter-key"),
    _leak(f"aws_access_key_id = {AWS_ID}", AWS_ID, "aws-key"),
    _leak(f"creds {AWS_ID.replace('AKIA', 'ASIA')} x", "ASIA" + AWS_ID[4:], "aws-key"),
    _leak(f"remote: {GITHUB}\n", GITHUB, "github-token"),
    _leak(fake("gh" + "s_", 36), fake("gh" + "s_", 36), "github-token"),
    _leak(
        "see " + fake("github_" + "pat_11", 20) + "_" + _BODY[:59],
        _BODY[:59],
        "github-token",
        "see ",
    ),
    _leak(fake("glpat" + "-", 20), fake("glpat" + "-", 20), "gitlab-token"),
    _leak("tok " + "xox" + "b-123456789012-" + _BODY[:24], _BODY[:24], "slack-token"),
    _leak("xapp-1-A012-" + _BODY[:40], _BODY[:40], "slack-token"),
    _leak(fake("AIza" + "Sy", 33), fake("AIza" + "Sy", 33), "google-key"),
    _leak(fake("ya29" + ".a0", 60), _BODY[:60], "google-token"),
    _leak(fake("GOCSPX" + "-", 28), _BODY[:28], "google-secret"),
    _leak(fake("npm" + "_", 36), _BODY[:36], "npm-token"),
    _leak("pypi" + "-AgEIcHlwaS5vcmc" + _BODY[:80], _BODY[:80], "pypi-token"),
    _leak(fake("hf" + "_", 34), _BODY[:34], "huggingface-token"),
    _leak(fake("sk" + "_live_", 24), _BODY[:24], "stripe-key"),
    _leak(fake("rk" + "_test_", 24), _BODY[:24], "stripe-key"),
    _leak(fake("wh" + "sec_", 32), _BODY[:32], "stripe-secret"),
    _leak(f"SG.{_BODY[:22]}.{_BODY[3:46]}", _BODY[3:46], "sendgrid-key"),
    _leak(fake("gsk" + "_", 52), _BODY[:52], "api-key"),
    _leak(fake("r8" + "_", 37), _BODY[:37], "replicate-token"),
    _leak(fake_hex("dop" + "_v1_", 64), fake_hex("", 64), "digitalocean-token"),
    _leak(fake_hex("da" + "pi", 32), fake_hex("", 32), "databricks-token"),
    _leak(fake_hex("shp" + "at_", 32), fake_hex("", 32), "shopify-token"),
    _leak(fake("hvs" + ".CAES", 90), _BODY[:90], "vault-token"),
    _leak(fake("dckr" + "_pat_", 27), _BODY[:27], "docker-token"),
    _leak(fake("lin_" + "api_", 40), _BODY[:40], "linear-key"),
    _leak(fake("fig" + "d_", 40), _BODY[:40], "figma-token"),
    _leak("bot 1234567890" + ":AA" + _BODY[:33], _BODY[:33], "telegram-token"),
    _leak("AGE-SECRET" + "-KEY-1" + _BODY[:58].upper(), _BODY[:58].upper(), "age-key"),
    _leak(f"id_token {JWT} ok", JWT, "jwt", "id_token ", " ok"),
    _leak(f"cat key.pem\n{PRIVATE_KEY}\ndone", KEY_BODY, "private-key", "cat key.pem", "done"),
    _leak(
        "https://hooks." + "slack.com/services/T00000000/B00000000/" + _BODY[:24],
        _BODY[:24],
        "webhook",
        "hooks.slack.com",
    ),
    _leak(
        "https://discord.com/api/" + "webhooks/123456789012345678/" + _BODY[:68],
        _BODY[:68],
        "webhook",
    ),
    _leak("postgres://app:s3cr3t-pw@db:5432/app", "s3cr3t-pw", "url-password", "app:", "@db:5432"),
    _leak("mongodb+srv://u:p%40ss!w@cluster0.x.net", "p%40ss!w", "url-password"),
    _leak("redis://:h0nk-h0nk@localhost:6379/0", "h0nk-h0nk", "url-password"),
    _leak("mysql://root:pa/ss@word@db/app", "pa/ss@word", "url-password", "@db/app"),
    _leak(
        f"git clone https://oauth2:{GITHUB}@github.com/a/b", GITHUB, "github-token", "github.com"
    ),
    _leak("git push https://bob:Tr0ub4dor@git.example.org/r", "Tr0ub4dor", "url-password"),
    _leak(f"https://{_BODY[:32]}@o1.ingest.example.io/5", _BODY[:32], "url-password"),
]

NAMED = [
    _leak("DB_PASSWORD=hunter2", "hunter2", "password", "DB_PASSWORD="),
    _leak("export PGPASSWORD='hun ter2'; psql", "hun ter2", "password", "; psql"),
    _leak("MYSQL_PWD=letmein mysql -uroot", "letmein", "password", " mysql -uroot"),
    _leak("PASSWORD=my-super-secret", "my-super-secret", "password"),
    _leak("STRIPE_KEY=abcdef0123456789", "abcdef0123456789", "key"),
    _leak("OPENAI_API_KEY=abc123def456", "abc123def456", "api-key"),
    _leak(f"AWS_SECRET_ACCESS_KEY={AWS_SECRET}", AWS_SECRET, "api-key"),
    _leak(f"aws_secret_access_key = {AWS_SECRET}", AWS_SECRET, "api-key"),
    _leak("JWT_SECRET=keyboard-cat-9", "keyboard-cat-9", "secret"),
    _leak("SESSION_TOKEN=abcdefgh", "abcdefgh", "token"),
    _leak("-e MY_SECRET=s3cr3t,with;odd&chars", "s3cr3t,with;odd&chars", "secret"),
    _leak('$env:API_TOKEN = "q9w8e7r6t5y4"', "q9w8e7r6t5y4", "token"),
    _leak("docker run -e DB_PASSWORD=hunter2 img", "hunter2", "password", " img"),
    _leak("export db_password=hunter2", "hunter2", "password"),
    _leak('{"password": "hunter2", "user": "bob"}', "hunter2", "password", '"user": "bob"'),
    _leak('{"apiKey":"a1b2c3d4e5f6g7h8"}', "a1b2c3d4e5f6g7h8", "api-key"),
    _leak('{"access_token":"4f5g6h7j8k9l","expires_in":3600}', "4f5g6h7j8k9l", "token", "3600"),
    _leak('{"client_secret": "pQ8~xY7zW6vU5t"}', "pQ8~xY7zW6vU5t", "secret"),
    _leak('{"auth": "dXNlcjpodW50ZXIyMg=="}', "dXNlcjpodW50ZXIyMg==", "token"),
    _leak("password: hunter2\nuser: bob", "hunter2", "password", "user: bob"),
    _leak("  db_password: correcthorse\n", "correcthorse", "password"),
    _leak("  password: p@ss,w0rd # prod", "p@ss,w0rd", "password", "# prod"),
    _leak("     7\tdb:\n     8\t  password: correcthorse\n", "correcthorse", "password", "8"),
    _leak("     8→  password: correcthorse\n", "correcthorse", "password"),
    _leak("conf/db.yml:12:  password: correcthorse\n", "correcthorse", "password", "db.yml:12:"),
    _leak(" db:\n-  password: correcthorse\n+  user: x", "correcthorse", "password", "+  user"),
    _leak('curl -H "X-Api-Key: 0a1b2c3d4e5f" u', "0a1b2c3d4e5f", "api-key", '" u'),
    _leak("curl -H 'PRIVATE-TOKEN: 0a1b2c3d4e5f' u", "0a1b2c3d4e5f", "token", "' u"),
    _leak("my password: hunter2 works", "hunter2", "password", " works"),
    _leak("spring.datasource.password=Geheim99", "Geheim99", "password"),
    _leak("- name: DB_PASSWORD\n  value: hunter2\n", "hunter2", "password", "DB_PASSWORD"),
    _leak('{"name":"DB_PASSWORD","value":"hunter2"}', "hunter2", "password"),
    _leak('<add key="Password" value="hunter2"/>', "hunter2", "password"),
    _leak("<password>hunter2</password>", "hunter2", "password", "</password>"),
    _leak('password = "hunter2"', "hunter2", "password"),
    _leak("const apiKey = 'q1w2e3r4t5y6u7i8'", "q1w2e3r4t5y6u7i8", "api-key"),
    _leak('password: str = "hunter2"', "hunter2", "password"),
    _leak('const token: string = "a8b7c6d5e4f3";', "a8b7c6d5e4f3", "token"),
    _leak("os.environ['API_TOKEN'] = 'q9w8e7r6t5'", "q9w8e7r6t5", "token"),
    _leak("define('DB_PASSWORD', 'hunter2!');", "hunter2!", "password"),
    _leak('setenv("SECRET_KEY", "z9y8x7w6v5u4")', "z9y8x7w6v5u4", "api-key"),
    _leak("Server=db;User Id=sa;Password=Str0ng!pw;", "Str0ng!pw", "password", "User Id=sa"),
    _leak("AccountName=a;AccountKey=aBc9+/dEf012345678==;", "aBc9+/dEf012345678==", "api-key"),
    _leak("host=db user=app password=hunter2 dbname=x", "hunter2", "password", "dbname=x"),
    _leak("GET /cb?access_token=9f8e7d6c5b4a&x=1", "9f8e7d6c5b4a", "token", "&x=1"),
    _leak("?sv=2022&sig=" + "aB3%2Fd" * 6 + "%3D&se=1", "aB3%2Fd" * 6, "signature", "&se=1"),
    _leak("mytool --password hunter2 --verbose", "hunter2", "password", "--verbose"),
    _leak("mytool --api-key=k3y5ecr3t9", "k3y5ecr3t9", "api-key"),
    _leak(
        "curl -u bob:hunter2 https://x.org", "hunter2", "password", "curl -u bob:", "https://x.org"
    ),
    _leak("mysql -uroot -phunter2 shop", "hunter2", "password", " shop"),
    _leak("sshpass -p hunter2 ssh a@b", "hunter2", "password", "ssh a@b"),
    _leak("docker login -u bob -p hunter22 reg.io", "hunter22", "password", "reg.io"),
    _leak("machine git.example.org login bob password hunter2", "hunter2", "password"),
    _leak("machine x.org\n  login bob\n  password correct", "correct", "password"),
    _leak("Authorization: Bearer a1b2c3d4e5f6g7h8", "a1b2c3d4e5f6g7h8", "authorization", "Bearer "),
    _leak("authorization: Basic Ym9iOmh1bnRlcjI=", "Ym9iOmh1bnRlcjI=", "authorization"),
    _leak(
        "curl -H 'Authorization: token q1w2e3r4t5' https://x.org",
        "q1w2e3r4t5",
        "authorization",
        "https://x.org",
    ),
    _leak('{"Authorization": "Bearer abc.def-123456"}', "abc.def-123456", "authorization"),
    _leak("using bearer 0a1b2c3d4e5f6071 now", "0a1b2c3d4e5f6071", "authorization", " now"),
    _leak("X-Api-Key: 0a1b2c3d4e5f", "0a1b2c3d4e5f", "api-key"),
    _leak("Set-Cookie: sid=s%3Aabc123def456; Path=/", "s%3Aabc123def456", "cookie"),
    _leak("//registry.npmjs.org/:_authToken=0a1b2c3d-4e5f-6071", "0a1b2c3d-4e5f-6071", "token"),
    _leak("_auth=Ym9iOmh1bnRlcjIyMjI=", "Ym9iOmh1bnRlcjIyMjI=", "token"),
    _leak("DJANGO_SECRET_KEY='django-insecure-4$k9@w'", "django-insecure-4$k9@w", "api-key"),
]

ESCAPED = [
    _leak(json.dumps({"body": '{"password": "hunter2"}'}), "hunter2", "password"),
    _leak(json.dumps(json.dumps({"api_key": "a1b2c3d4e5f6"})), "a1b2c3d4e5f6", "api-key"),
    _leak(
        json.dumps(json.dumps(json.dumps({"token": "a1b2-c3d4-e5f6"}))), "a1b2-c3d4-e5f6", "token"
    ),
    _leak(json.dumps({"password": 'hun"ter2', "a": 1}), "ter2", "password", '"a": 1'),
    _leak(json.dumps(json.dumps({"password": 'hun"ter2', "a": 1})), "ter2", "password", "a"),
    _leak(json.dumps("A=1\nDB_PASSWORD=hunter2\nB=2"), "hunter2", "password", "A=1", "B=2"),
    _leak(json.dumps(f"env:\n{GITHUB}\nend"), GITHUB, "github-token", "end"),
    _leak(json.dumps(PRIVATE_KEY + "\nend"), json.dumps(KEY_BODY)[1:-1], "private-key", "end"),
    _leak('"https:\\/\\/bob:hunter2@x.org\\/"', "hunter2", "url-password", "@x.org"),
    _leak(f'GITHUB={GITHUB[:20]}"{GITHUB[20:]}"', GITHUB[20:], "github-token"),
    _leak(f'x = "{GITHUB[:16]}" + "{GITHUB[16:]}"', GITHUB[16:], "github-token"),
    _leak(f'x = ("{GITHUB[:16]}"\n     "{GITHUB[16:]}")', GITHUB[16:], "github-token"),
    _leak(f"curl -H x:{GITHUB[:20]}\\\n{GITHUB[20:]} u", GITHUB[20:], "github-token", " u"),
    _leak("API_TOKEN=\"abc1\"'def2'ghi3 run", "ghi3", "token", " run"),
    _leak('password = "hun" + "ter2"', "ter2", "password"),
    Leak(
        "1\tPRIVATE=\n"
        + "\n".join(f"{n}\t{line}" for n, line in enumerate(PRIVATE_KEY.split("\n"))),
        tuple(KEY_BODY.split("\n")),
        "private-key",
    ),
    Leak(
        "\n".join(PRIVATE_KEY.split("\n")[:3]) + "\n\nand prose follows here",
        tuple(KEY_BODY.split("\n")[:2]),
        "private-key",
        ("and prose follows here",),
    ),
    Leak(
        "\n".join("+" + line for line in PRIVATE_KEY.split("\n")) + "\n+next = 1",
        tuple(KEY_BODY.split("\n")),
        "private-key",
        ("+next = 1",),
    ),
]

LEAKS = SHAPED + NAMED + ESCAPED

HARMLESS = [
    "token_count = 5",
    "max_tokens: 4096",
    '{"max_tokens": 4096, "input_tokens": 12, "token": 5}',
    "password = getpass()",
    "password = getpass.getpass('Password: ')",
    "password = os.environ['DB_PASSWORD']",
    "token = request.headers.get('Authorization')",
    "API_KEY=$OTHER",
    "API_KEY=${OTHER:-}",
    "export TOKEN=$(cat /run/secrets/token)",
    'API_KEY = os.getenv("API_KEY")',
    "apiKey: process.env.API_KEY,",
    "password: config.db.password,",
    "commit 3f786850e387550fdab836ed7e6dc881de23001b",
    "id: 5e9744ed-678e-4c26-b994-fcea6750eb21",
    '"session_id": "5e9744ed-678e-4c26-b994-fcea6750eb21"',
    "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "data:image/png;base64," + "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ" * 20,
    "integrity sha512-" + _OTHER[:86] + "==",
    "def login(user: str, password: str) -> Token:",
    "interface Login { user: string; password: string; token?: string }",
    "password: Optional[str] = None",
    "password: str",
    "token: Token",
    "let token = lexer.next_token();",
    "token := lexer.Next()",
    'if token == "abc123def":',
    "key=lambda item: item[1]",
    "for key, value in settings.items():",
    'sorted(rows, key="created_at")',
    '{"key": "order-2024-0001", "value": 3}',
    'primary_key = "customer_id"',
    "FOREIGN_KEY=user_id42",
    'cache_key = f"user:{user_id}"',
    'CACHE_KEY="prices:v2:eur"',
    "public_key = 'AAAAB3NzaC1yc2EAAAADAQABAAABgQ'",
    '<input type="password" name="password" placeholder="Password">',
    '<label for="password">Password:</label>',
    '{"password": "Password", "token": "Token"}',
    '"password": {"type": "string", "minLength": 8}',
    "'password' => 'required|string|min:8',",
    '"passwordHelp": "Must be at least 8 characters"',
    'password: "Enter your password"',
    "Enter password: ",
    "error: invalid token: unexpected end of input",
    "password: incorrect",
    "token expired",
    "tokenizer.pad_token = tokenizer.eos_token",
    '"eos_token": "<|endoftext|>"',
    "pad_token='[PAD]'",
    "nextToken: 'eyJsYXN0IjoxMjM0NTY3ODkwfQ'",
    "Authorization: Bearer $TOKEN",
    "Authorization: Bearer <your-token>",
    'headers = {"Authorization": f"Bearer {token}"}',
    "headers['Authorization'] = auth_header",
    "Bearer authentication is required",
    "Basic authentication with username and password",
    "https://example.org/path?x=a:b@c",
    "http://localhost:8080/@scope/package",
    "https://user:$PASS@example.org/",
    "https://{user}:{password}@{host}/",
    "ssh://git@github.com:22/a/b.git",
    "git@github.com:owner/repository.git",
    ".sk-circle-fade-dot-animation-delay { }",
    "task-runner-with-a-very-long-name-here",
    "risk-assessment-2024-final-version-03",
    "npm_config_registry=https://registry.npmjs.org/",
    "hf_hub_download(repo_id=repo)",
    "PWD=/home/dev/order-pricing",
    "cd $OLDPWD && pwd",
    "docker run -u 1000:1000 image",
    "secretKeyRef:\n  name: db-credentials\n  key: password",
    "secretName: tls-certificate-2024",
    "password: ${{ secrets.DB_PASSWORD }}",
    "password: !vault |",
    "PASSWORD=",
    "REQUIRE_PASSWORD=false",
    "PASSWORD=<your password>",
    "API_KEY=your-api-key-here",
    'api_key = "YOUR_API_KEY"',
    "api_key=xxxxxxxxxxxxxxxx",
    '"token": "[redacted:token]"',
    "--password <pw>   the password to use",
    "--token TOKEN  token of the user",
    "use --api-key to set the key",
    "fetch(url, { credentials: 'include' })",
    "credentials: same-origin",
    'fields = ["password", "username2", "token"]',
    "keyboard = 'qwerty12345'",
    "monkey: banana12345678901",
    "PasswordAuthentication no",
    "List<Token> tokens = parse(text);",
    'if "-----BEGIN RSA ' + 'PRIVATE KEY-----" in text:',
    "-----BEGIN CERTIFICATE-----\n" + "\n".join([_OTHER[:64]] * 4) + "\n-----END CERTIFICATE-----",
    "cookie: true",
    "const signature = sign(payload, key);",
    "password=args.password, token=args.token)",
    "connect(user=user, password=password)",
    "PASSWORD_FILE=/run/secrets/db",
    "secrets: inherit",
    "tokens used: 12345, key: a1",
    "Error: token: unexpected end, password: too short",
    "password = a_variable\n    other_line()",
    "token-type: bearer",
    "API-Key: see the settings page",
    'key: "Enter"',
    "auth: basic",
    "user_id_42, call_0123456789abcdefghijkl",
    "toolu_01A2b3C4d5E6f7G8h9J0kLmN",
    "msg_01XFDUDYJgAACzvnptvVoYEL req_011CSHoEeqs5C35K2UUqR7Fy",
]
