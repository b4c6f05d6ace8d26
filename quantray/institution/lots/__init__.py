"""Tax lots from trade to report: what happens, the lots that it leaves, what is realised, and what a sale would cost.

``events`` -> ``records`` -> ``disposals`` | ``corporate_actions`` with ``wash_sales`` on ``state``; ``report`` and
``lot_choice`` read the book that ``institution.tax_lots`` makes of them.
"""
