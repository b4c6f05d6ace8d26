"""Weights by rule, and the ensemble that knows the regime.

Rules by family: ``trend``, ``mean_reversion``, ``market_neutral``, ``crisis``; ``catalogue`` lists all twelve with
their parameters and literature, ``own`` brings those of users. ``rule`` says what a rule is and turns signals into
positions, ``rolling`` holds the trailing statistics. Underneath, ``cointegration`` tests pairs, ``neutrality`` takes
factors out, ``options`` prices and ``straddles`` books.

``regime_map`` is the declared map from regimes to strategies, ``ensemble`` follows it and explains each decision.
"""
