"""What limits cap, how their levels move, what is remembered of them, and what cures a breach.

``metrics`` are what they cap of a book.
``cure`` is the smallest trade that keeps a book within its limits. Levels move as ``limit_levels`` says, with
``trust`` in forecasts among others; ``limit_log`` remembers.
"""
