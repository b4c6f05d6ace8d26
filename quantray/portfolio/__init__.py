"""Weights from what is known about risk and return.

``naive`` ignores correlations; ``hrp`` follows the hierarchy of correlations, and so does ``hierarchy`` with equal
risk between ``clusters`` or nested minimum variance. ``risk_parity`` budgets risk, whose ``contributions`` sum to the
total; ``diversification`` has minimum variance and maximum diversification in closed form and without shorts
(``nonnegative``). ``black_litterman`` gives the expected returns that views imply. ``strategy_mix`` allocates across
strategies.
"""
