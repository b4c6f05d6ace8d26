"""Which market we are in, each day from what was known that day.

``path`` is what everything here gives: labels and probabilities through time. ``market`` measures the universe as a
whole, ``observations`` gathers such measures into the columns that methods learn from, ``schedule`` says when a method
is fitted again.

By rule: ``indicators`` are five lenses, market, volatility, liquidity, correlation and sector rotation, and ``week`` is
the class of a week that is known at its start. By fitting: ``hmm`` with its ``hmm_filter``, ``clustering`` and
``classifier``, put together by ``ensemble``. ``bars`` cut sessions into bars, and ``timeframes`` read the regimes of
5-minute, hourly, daily and weekly bars side by side.
"""
