"""What happened and why: the track record of a portfolio, its metrics, and the page that people read.

``attribution`` says why a portfolio earned what it earned, in parts that add up. ``forecasts`` says how good scores
are, ``selection`` what is left of a Sharpe ratio chosen from many, and ``bootstrap`` and ``sharpe_intervals`` how
sure that is; ``regression`` has betas whose errors allow for autocorrelation. ``metrics`` has the measures that every
study keeps, ``ratios``, ``drawdowns``, ``against`` (a benchmark) and ``periods`` the others, and ``measures`` all by
name. ``outlook`` says what may come, and ``coverage`` how often it was right. ``page`` is what every report is made
of, with ``figures`` and ``regime_figures``, or with ``drawing`` in those of ``reader`` (its tables in
``reader_tables``), which ``pdf`` prints; ``summary`` is the terminal's table of portfolios.
"""
