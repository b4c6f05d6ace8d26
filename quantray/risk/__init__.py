"""What can be lost, and whether the forecasts of it were right.

``holdings`` are a book of positions, ``market`` what is known of the drivers of their value, ``pricing`` what positions
are worth after any change of these, and ``sensitivities`` how they follow small ones. ``factor`` splits risk
among factors, groups and names.

``tail`` estimates value-at-risk and expected shortfall from a ``history``, splits them among positions and says what
trades would add. ``volatility`` changes from day to day, ``laws`` are distributions of a day's return, made of
``quantiles``; ``simulation`` draws scenarios from a factor model, ``horizons`` are longer than a day, and ``intervals``
say how sure an estimate is. ``var_forecasts`` are made for every day of a history, ``backtests`` hold forecasts against
what happened, ``coverage`` puts all tests in a table, and ``backtest_figures`` shows them.

``stress`` says what is lost in ``scenarios``, which ``scenario_moves`` and ``moves`` turn into moves of every driver,
``replay`` what would be lost in a crisis of the past, ``reverse_stress`` how a given loss comes about, and
``correlation_stress`` what diversification is worth once everything moves together; ``stress_figures`` shows them.

``book`` is what the following look at. ``liquidity`` says how long selling takes and what it costs, ``concentration``
how much hangs on how little, ``limits`` what a book may be, and ``cure`` the smallest trade that keeps it so. Their
levels move as ``limit_levels`` says, with ``trust`` in forecasts among others; ``limit_log`` remembers.
``scaling`` brings it to a risk budget, ``sizing`` says how large to be, ``drawdown`` how deep the falls were and when
to hold less, and ``overlay`` what that exposure does.

``report`` puts all of it into one report of a book, whose ``sections`` are plain values that JSON keeps; ``estimates``
are its value-at-risk by every method, ``book_backtest`` holds them against the past, and ``page``, with ``figures``,
is how it looks.

``monitor`` follows a ``moving`` book from price to price, and the ``running`` sums of its risk; ``alerts`` come once
for a breach, and ``latency`` is counted.
"""
