"""List-price costs: the packaged table, the names models go by, and what others compute."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from harness_tracing.model import Usage
from harness_tracing.prices import Cost, PriceTable
from tools import prices as refresh

RECORDINGS = Path(__file__).parent / "recordings"
TABLE = PriceTable.load()
USAGE = Usage(
    input_tokens=20_000, output_tokens=1_000, cache_read_tokens=18_000, cache_write_tokens=1_500
)


def total(model: str, usage: Usage = USAGE, **how: str) -> float:
    cost = TABLE.cost(model, usage, **how)
    assert cost is not None, f"{model} is unpriced"
    return cost.total


def test_input_cache_reads_and_cache_writes_have_prices_of_their_own() -> None:
    """500 uncached at $5, 18,000 read at $0.50, 1,500 written at $6.25 per million."""
    cost = TABLE.cost("claude-opus-4-5", USAGE)
    assert cost is not None
    assert cost.uncached == pytest.approx(0.0025)
    assert cost.cache_read == pytest.approx(0.009)
    assert cost.cache_write == pytest.approx(0.009375)
    assert cost.prompt == pytest.approx(0.020875)
    assert cost.completion == pytest.approx(0.025)
    assert cost.total == pytest.approx(0.045875)


def test_cache_writes_that_live_an_hour_cost_twice_the_input() -> None:
    usage = Usage(
        input_tokens=1_000_000,
        output_tokens=0,
        cache_write_tokens=1_000_000,
        cache_write_1h_tokens=400_000,
    )
    cost = TABLE.cost("claude-opus-5-5", usage)
    assert cost is not None
    assert cost.cache_write == pytest.approx(0.6 * 5.0 + 0.4 * 8.0)
    assert cost.uncached == 0


def test_every_claude_model_lists_hour_long_writes_at_twice_its_input() -> None:
    """What the refresh derives for models that list none holds for all that list one."""
    listed = {
        model: row["cache_write_1h"] / row["input"]
        for model, row in TABLE.models.items()
        if "claude" in model and "cache_write_1h" in row
    }
    assert len(listed) > 100
    assert all(ratio == pytest.approx(2, rel=0.01) for ratio in listed.values())


def test_reasoning_tokens_are_told_apart_and_counted_once() -> None:
    cost = TABLE.cost("gpt-5.5", Usage(1_000, 500, reasoning_tokens=200))
    plain = TABLE.cost("gpt-5.5", Usage(1_000, 500))
    assert cost is not None
    assert plain is not None
    assert cost.reasoning == pytest.approx(200 * 30e-6)
    assert cost.total == pytest.approx(plain.total)
    assert plain.reasoning is None


def test_a_large_input_puts_all_tokens_of_the_call_at_the_higher_price() -> None:
    at_limit = Usage(input_tokens=200_000, output_tokens=1_000_000)
    above = Usage(input_tokens=200_001, output_tokens=1_000_000)
    assert total("gemini-2.5-pro", at_limit) == pytest.approx(0.2 * 1.25 + 10)
    assert total("gemini-2.5-pro", above) == pytest.approx(0.200001 * 2.5 + 15)


def test_fast_mode_and_the_us_region_have_their_factors() -> None:
    normal = total("claude-opus-5-5")
    assert total("claude-opus-5-5", speed="fast") == pytest.approx(2 * normal)
    assert total("claude-opus-5-5", region="us") == pytest.approx(1.1 * normal)
    assert total("claude-opus-5-5", speed="standard", region="") == normal
    assert TABLE.cost("claude-haiku-4-5", USAGE, speed="fast") is None


@pytest.mark.parametrize(
    "model",
    [None, "", "<synthetic>", "mock-model", "claude-opus-99", "xx.anthropic.claude-opus-5-5"],
)
def test_a_model_that_is_not_in_the_table_is_unpriced(model: str | None) -> None:
    assert TABLE.cost(model, USAGE) is None


def test_unknown_tokens_are_unpriced_and_zero_tokens_cost_nothing() -> None:
    assert TABLE.cost("claude-opus-5-5", Usage()) is None
    assert TABLE.cost("claude-opus-5-5", Usage(input_tokens=5)) is None
    assert total("claude-opus-5-5", Usage(0, 0)) == 0


@pytest.mark.parametrize(
    ("name", "same_as"),
    [
        ("claude-opus-5-5[1m]", "claude-opus-5-5"),
        ("Claude-Opus-5-5", "claude-opus-5-5"),
        ("claude-opus-5-5-20260901", "claude-opus-5-5"),
        ("anthropic/claude-opus-4.5", "claude-opus-4-5"),
        ("openrouter/anthropic/claude-sonnet-4.5", "claude-sonnet-4-5"),
        ("claude-opus-4-5@20251101", "vertex_ai/claude-opus-4-5@20251101"),
        ("claude-opus-5-5@20260901", "vertex_ai/claude-opus-5-5"),
        ("models/gemini-2.5-pro", "gemini-2.5-pro"),
        ("publishers/google/models/gemini-2.5-pro", "gemini-2.5-pro"),
        (
            "arn:aws:bedrock:us-east-1:1:inference-profile/us.anthropic.claude-opus-5-5",
            "us.anthropic.claude-opus-5-5",
        ),
        ("claude-opus-4-1-20250805", "anthropic.claude-opus-4-1-20250805-v1:0"),
        ("gpt-5.5-2026-04-23", "gpt-5.5"),
    ],
)
def test_a_model_is_found_by_the_names_agents_use(name: str, same_as: str) -> None:
    assert same_as in TABLE.models
    assert TABLE.row(name) == TABLE.models[same_as]


def test_a_provider_s_own_price_comes_before_the_maker_s() -> None:
    assert TABLE.row("claude-opus-4.8-fast", "github-copilot") == {
        "input": 10.0,
        "output": 50.0,
        "cache_read": 1.0,
        "cache_write": 12.5,
        "cache_write_1h": 20.0,
    }
    assert TABLE.row("claude-opus-5-5", "anthropic") == TABLE.models["claude-opus-5-5"]


def test_a_model_that_runs_at_home_has_no_list_price() -> None:
    assert TABLE.row("deepseek-chat") is not None
    assert TABLE.row("deepseek-chat", "ollama") is None
    assert TABLE.row("ollama/deepseek-chat") is None


def test_costs_add_up_part_by_part() -> None:
    one = Cost(uncached=1.0, output=2.0, cache_read=0.5)
    two = Cost(uncached=0.1, output=0.2, cache_write=0.3)
    assert one + two == Cost(uncached=1.1, output=2.2, cache_read=0.5, cache_write=0.3)
    assert (one + two).total == pytest.approx(4.1)


def reported_costs() -> list[tuple[str, dict[str, float]]]:
    """What Claude Code itself says each session's models cost: (model, its usage and cost)."""
    found = []
    for path in sorted(RECORDINGS.glob("claude-code/*/home/**/*.jsonl")):
        for line in path.read_text(encoding="utf-8").split("\n"):
            if '"cost-state"' in line and json.loads(line).get("type") == "cost-state":
                found += list(json.loads(line)["modelUsage"].items())
    return found


def test_costs_agree_with_what_claude_code_reports() -> None:
    """Every model of every recorded session; its own figures hold 5-minute and 1-hour writes."""
    reported = reported_costs()
    assert len(reported) > 50
    for model, figures in reported:
        written = int(figures["cacheCreationInputTokens"])
        read = int(figures["cacheReadInputTokens"])
        usage = Usage(
            input_tokens=int(figures["inputTokens"]) + read + written,
            output_tokens=int(figures["outputTokens"]),
            cache_read_tokens=read,
            cache_write_tokens=written,
            cache_write_1h_tokens=int(figures["cacheCreationEphemeral1hInputTokens"]),
        )
        assert total(model, usage) == pytest.approx(figures["costUSD"], abs=1e-9), figures


@pytest.mark.skipif(sys.version_info < (3, 11), reason="genai-prices needs Python 3.11")
@pytest.mark.parametrize(
    ("model", "provider"),
    [
        ("claude-opus-5-5", "anthropic"),
        ("claude-sonnet-5-5", "anthropic"),
        ("claude-opus-4-5", "anthropic"),
        ("claude-opus-4-1-20250805", "anthropic"),
        ("claude-haiku-4-5", "anthropic"),
        ("gpt-5.5", "openai"),
        ("gpt-5", "openai"),
        ("gpt-6.1-sol", "openai"),
        ("gemini-2.5-pro", "google"),
    ],
)
@pytest.mark.parametrize("input_tokens", [20_000, 199_000])
def test_costs_agree_with_genai_prices(model: str, provider: str, input_tokens: int) -> None:
    """A second, independent table (Pydantic's) says the same."""
    genai_prices = pytest.importorskip(
        "genai_prices", reason="the cross-check of prices needs `pip install genai-prices`"
    )
    usage = Usage(input_tokens, 1_000, cache_read_tokens=18_000)
    theirs = genai_prices.calc_price(
        genai_prices.Usage(
            input_tokens=input_tokens, output_tokens=1_000, cache_read_tokens=18_000
        ),
        model_ref=model,
        provider_id=provider,
    )
    assert total(model, usage) == pytest.approx(float(theirs.total_price), rel=1e-6)


def test_the_table_says_where_and_when_it_is_from_and_under_which_licence() -> None:
    content = json.loads(refresh.TABLE.read_text(encoding="utf-8"))
    assert TABLE.source.startswith("LiteLLM")
    assert TABLE.version[0].isdigit()
    assert len(TABLE.date) == 10
    assert "MIT License" in content["license"]
    assert "Copyright (c)" in content["license"]


def test_the_table_holds_no_free_model() -> None:
    assert all(row["input"] > 0 and row["output"] > 0 for row in TABLE.models.values())


def test_a_refresh_keeps_chat_models_with_prices_only() -> None:
    chat = {"mode": "chat", "litellm_provider": "anthropic"}
    table = {
        "claude-x": {
            **chat,
            "input_cost_per_token": 3e-06,
            "output_cost_per_token": 1.5e-05,
            "output_cost_per_token_batches": 7e-06,
            "cache_creation_input_token_cost": 3.75e-06,
            "input_cost_per_token_above_200k_tokens": 6e-06,
            "provider_specific_entry": {"us": 1.1, "eu": 1.2},
        },
        "free": {**chat, "input_cost_per_token": 0.0, "output_cost_per_token": 0.0},
        "no-output": {**chat, "input_cost_per_token": 1e-06},
        "ft:x": {**chat, "input_cost_per_token": 1e-06, "output_cost_per_token": 1e-06},
        "embed": {"mode": "embedding", "litellm_provider": "openai", "input_cost_per_token": 1},
        "elsewhere": {
            "mode": "chat",
            "litellm_provider": "someone",
            "input_cost_per_token": 1e-06,
            "output_cost_per_token": 1e-06,
        },
    }
    content = refresh.snapshot(table, "1.2.3", "2026-01-02", "MIT License")
    assert content["models"] == {
        "claude-x": {
            "input": 3.0,
            "output": 15.0,
            "cache_write": 3.75,
            "cache_write_1h": 6.0,
            "us": 1.1,
            "above": {"200000": {"input": 6.0}},
        }
    }
    assert json.loads(refresh.to_text(content)) == content


def test_the_packaged_table_is_as_the_refresh_writes_it() -> None:
    """Nobody edits it by hand."""
    text = refresh.TABLE.read_text(encoding="utf-8")
    assert refresh.to_text(json.loads(text)) == text
