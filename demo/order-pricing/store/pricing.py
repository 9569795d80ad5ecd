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
