"""What happened and why: the track record of a portfolio, its metrics, and the page that people read.

``forecasts`` says how good scores are, ``selection`` what is left of a Sharpe ratio chosen from many, and ``bootstrap``
and ``sharpe_intervals`` how sure that is. ``page`` is what every report is made of, with ``figures`` and
``regime_figures``; ``summary`` is the terminal's table of portfolios.
"""
