"""Refresh the packaged price table from a release of LiteLLM (`make prices`).

The wheel is fetched by pip (or uv) and unpacked into a temporary folder; LiteLLM is not
imported. What is kept: chat models with prices for input and output of the providers that
coding agents are used with, in USD per million tokens, one model a line.

    python tools/prices.py [--release 1.109.1]
"""

from __future__ import annotations

import argparse
import datetime
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Optional

ROOT = Path(__file__).resolve().parent.parent
TABLE = ROOT / "python" / "src" / "harness_tracing" / "prices.json"
MEMBER = "litellm/model_prices_and_context_window_backup.json"

PROVIDERS = frozenset(
    [
        *("anthropic", "azure", "azure_ai", "bedrock", "bedrock_converse", "bedrock_mantle"),
        *("cerebras", "dashscope", "deepseek", "gemini", "github_copilot", "groq", "meta"),
        *("minimax", "mistral", "moonshot", "openai", "opencode_go", "openrouter", "xai", "zai"),
    ]
)
# Fine-tuned models carry their owner's name, provisioned throughput is not paid by the token.
LEFT_OUT = re.compile(r"^ft:|-commitment/")
NAMES = {
    "input_cost_per_token": "input",
    "output_cost_per_token": "output",
    "cache_read_input_token_cost": "cache_read",
    "cache_creation_input_token_cost": "cache_write",
    "cache_creation_input_token_cost_above_1hr": "cache_write_1h",
    "output_cost_per_reasoning_token": "reasoning",
}
FACTORS = ("fast", "us")
TIER = re.compile(r"^(?P<name>.+)_above_(?P<thousands>\d+)k_tokens$")


def prices_of(model: str, entry: Mapping[str, Any]) -> Optional[dict[str, Any]]:
    """Our row for one entry of LiteLLM's table; None when it is not to be kept."""
    provider = str(entry.get("litellm_provider"))
    wanted = provider in PROVIDERS or provider.startswith("vertex_ai")
    if not wanted or entry.get("mode") not in ("chat", "responses") or LEFT_OUT.search(model):
        return None
    if "tiered_pricing" in entry:  # another scheme, which would be read as one flat price
        return None
    row: dict[str, Any] = {}
    tiers: dict[str, dict[str, float]] = {}
    for key, value in entry.items():
        found = TIER.match(key)
        name = NAMES.get(found["name"] if found else key)
        if name is None or not isinstance(value, (int, float)):
            continue
        where = tiers.setdefault(f"{found['thousands']}000", {}) if found else row
        where[name] = per_million(value)
    if not row.get("input") or not row.get("output"):
        return None
    if "claude" in model:
        for prices in (row, *tiers.values()):
            if "cache_write" in prices and "input" in prices:
                prices.setdefault("cache_write_1h", round(2 * prices["input"], 6))
    factors = entry.get("provider_specific_entry") or {}
    row.update({name: factors[name] for name in FACTORS if name in factors})
    ordered = {name: row[name] for name in (*NAMES.values(), *FACTORS) if name in row}
    return {**ordered, **({"above": tiers} if tiers else {})}


def per_million(usd_per_token: float) -> float:
    """USD per million tokens, without the noise of binary fractions."""
    return round(usd_per_token * 1e6, 6)


def snapshot(
    table: Mapping[str, Mapping[str, Any]], release: str, taken_on: str, licence: str
) -> dict[str, Any]:
    """The content of our table: where it is from, under which licence, and the prices."""
    rows = {model: prices_of(model, entry) for model, entry in table.items()}
    return {
        "source": "LiteLLM (PyPI: litellm), " + MEMBER,
        "version": release,
        "date": taken_on,
        "unit": "USD per million tokens",
        "changes": "Filtered and renamed; `cache_write_1h` of a Claude model that lists none is"
        " twice its input price, as it is for every Claude model that lists one.",
        "license": licence,
        "models": {model: row for model, row in sorted(rows.items()) if row is not None},
    }


def to_text(content: Mapping[str, Any]) -> str:
    """JSON with one model a line, so that a refresh shows which prices moved."""
    head = {key: value for key, value in content.items() if key != "models"}
    lines = [f" {json.dumps(key)}: {json.dumps(value)}," for key, value in head.items()]
    models = [f"  {json.dumps(m)}: {json.dumps(row)}" for m, row in content["models"].items()]
    return "{\n" + "\n".join(lines) + '\n "models": {\n' + ",\n".join(models) + "\n }\n}\n"


def fetch(release: Optional[str], folder: Path) -> None:
    """Unpack LiteLLM's wheel into `folder`, without what it depends on."""
    wanted = f"litellm=={release}" if release else "litellm"
    uv = shutil.which("uv")  # an environment that uv made has no pip
    installer = [uv, "pip"] if uv else [sys.executable, "-m", "pip"]
    options = ["--quiet", "--no-deps", "--only-binary", ":all:", "--target", str(folder)]
    subprocess.run([*installer, "install", *options, wanted], check=True)


def read_release(folder: Path) -> tuple[dict[str, Any], str, str]:
    """LiteLLM's table, its release and its licence, from the unpacked wheel."""
    about = next(folder.glob("litellm-*.dist-info"))
    release = about.name[len("litellm-") : -len(".dist-info")]
    licence = (about / "licenses" / "LICENSE").read_text(encoding="utf-8")
    return json.loads((folder / MEMBER).read_text(encoding="utf-8")), release, licence


def main() -> int:
    """Rewrite the table and say what changed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--release", help="a certain release of LiteLLM (default: the newest)")
    arguments = parser.parse_args()
    before = json.loads(TABLE.read_text(encoding="utf-8")) if TABLE.exists() else {"models": {}}
    with tempfile.TemporaryDirectory() as folder:
        fetch(arguments.release, Path(folder))
        table, release, licence = read_release(Path(folder))
    today = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    taken_on = before["date"] if before.get("version") == release else today
    after = snapshot(table, release, taken_on, licence)
    TABLE.write_bytes(to_text(after).encode("utf-8"))
    old, new = before["models"], after["models"]
    moved = sum(old[model] != new[model] for model in old.keys() & new.keys())
    print(
        f"litellm {release}: {len(new)} models; {len(new.keys() - old.keys())} new,"
        f" {len(old.keys() - new.keys())} gone, {moved} with other prices"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
