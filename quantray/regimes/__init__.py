"""Which market we are in, each day from what was known that day.

``path`` is what everything here gives: labels and probabilities through time. ``market`` measures the universe as a
whole, ``observations`` gathers such measures into the columns that methods learn from, ``schedule`` says when a method
is fitted again.

``indicators`` are five lenses, market, volatility, liquidity, correlation and sector rotation: each a ``lens_filter``
of one of the ``lens_measures``, seen as ``lens_views`` have it, with what ``lens_settings`` hold beforehand; ``trend``
is a rule that the first may go by instead. ``lens_nowcast`` is the lens of a day that is under way. ``week`` is the
class of a week that is known at its start. By fitting alone: ``hmm`` with its ``hmm_states`` and ``hmm_filter``,
``clustering`` and ``classifier``, put together by ``ensemble`` with the weights of ``pooling``; ``unseen`` knows how
usual regimes are, and so which of them may not have come yet.
``bars`` cut sessions into bars; ``timeframes`` and ``lens_timeframes`` read the regimes of 5-minute, hourly, daily and
weekly bars side by side. ``passes`` run along a chain, forward and backward.
"""
