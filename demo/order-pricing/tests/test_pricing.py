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
