"""Forecasts of losses for every day of a history, and how sure they are.

``history`` is what they are made of. ``volatility`` changes from day to day, ``laws`` are distributions of a day's
return, made of ``quantiles``; ``simulation`` draws scenarios from a factor model, ``horizons`` are longer than a day,
and ``intervals`` say how sure an estimate is. ``var_forecasts`` are made for every day of a history, ``coverage``
puts all tests of them in a table, and ``backtest_figures`` shows them.
"""
