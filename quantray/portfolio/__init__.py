"""Weights from what is known about risk and return.

By a mandate: ``constraints`` says what a portfolio may be, ``mean_variance`` finds the best one, taxes of sales as
``sale_costs``, ``frontier`` the ones of least risk and highest ratio. Underneath, ``problem`` states what is solved and
certifies it, ``dual_newton`` solves it by prices to which assets give their ``responses``, ``structured`` from within
where that does not do, ``conic`` is the second opinion and ``solve`` explains what has no solution. ``tail`` minimises
tail losses.
``smallest_trade`` brings weights within caps, through ``conic_trade``.

Over several periods at once: ``multi_period``, for which ``horizon_mandate`` puts together the problem that
``horizon_problem`` states and certifies, ``horizon_solver`` solves on ``chains`` within ``horizon_limits``, and
``horizon_relaxations`` explains.

By risk alone: ``naive``, ``hrp`` and ``hierarchy`` on the tree of ``clusters``, ``hrp_large`` on ``spanning`` trees
without a matrix, ``risk_parity`` with ``contributions``, ``diversification`` on ``nonnegative``. ``black_litterman``
mixes views with the market's, ``strategy_mix`` allocates across strategies, and ``rebalance`` turns weights into
trades.
"""
