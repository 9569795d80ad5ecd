"""The order-pricing service: the small project that demos and tests have an agent work on.

It needs Python and make, and nothing to be installed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

_PRICING = '''\
"""What an order costs."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Optional

PERCENT_OFF = {"SAVE10": 10, "SAVE20": 20}


@dataclass(frozen=True)
class Order:
    """What the customer wants: amounts before any discount, and the code they typed."""

    subtotal: Decimal
    shipping: Decimal
    code: Optional[str] = None


def order_total(order: Order) -> Decimal:
    """The amount to pay; a code that we do not know changes nothing."""
    percent = PERCENT_OFF.get(order.code or "", 0)
    subtotal = order.subtotal * (100 - percent) / 100
    return (subtotal + order.shipping).quantize(Decimal("0.01"))
'''
_TESTS = '''\
"""What an order costs, with and without a code."""

import unittest
from decimal import Decimal

from store.pricing import Order, order_total


class OrderTotal(unittest.TestCase):
    def test_without_a_code_the_order_costs_goods_and_shipping(self) -> None:
        self.assertEqual(order_total(Order(Decimal(40), Decimal(5))), Decimal("45.00"))

    def test_save10_takes_ten_percent_off_the_goods(self) -> None:
        self.assertEqual(order_total(Order(Decimal(40), Decimal(5), "SAVE10")), Decimal("41.00"))


if __name__ == "__main__":
    unittest.main()
'''
_MAKEFILE = """\
.PHONY: check lint types test

check: lint types test

lint:
	python3 -m compileall -q store tests

types:
	python3 -c "import typing, store.pricing as p; typing.get_type_hints(p.order_total)"

test:
	python3 -m unittest -q
"""
_IGNORED = "__pycache__/\n"
_SETTINGS = """\
{
  "env": {
    "ARIZE_TRACE_ENABLED": "true"
  }
}
"""
FILES: Mapping[str, str] = {
    "store/__init__.py": "",
    "store/pricing.py": _PRICING,
    "tests/__init__.py": "",
    "tests/test_pricing.py": _TESTS,
    "Makefile": _MAKEFILE,
    "CLAUDE.md": "",
    ".gitignore": _IGNORED,
    ".claude/settings.json": _SETTINGS,
}
"""Each file's path and text."""

_IDENTITY = ("-c", "user.name=Demo", "-c", "user.email=demo@example.invalid")
_BEGAN = "2026-01-05T09:00:00+0000"


def generate(folder: Path, environ: Mapping[str, str]) -> None:
    """Write the project into `folder`, which is made, and commit it: always the same commit.

    Without git it is a folder with files. Raises CalledProcessError, or OSError.
    """
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    if shutil.which("git", path=environ.get("PATH")) is None:
        return
    dates = {"GIT_AUTHOR_DATE": _BEGAN, "GIT_COMMITTER_DATE": _BEGAN}
    alone = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull}
    for words in (("init", "-q", "-b", "main"), ("add", "-A"), ("commit", "-qm", "start")):
        command = ["git", *_IDENTITY, *words]
        subprocess.run(command, cwd=folder, env={**environ, **dates, **alone}, check=True)
