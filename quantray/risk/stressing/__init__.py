"""Scenarios, what they do to every driver, crises of the past, and how a given loss comes about.

``scenarios`` are data, which ``scenario_moves`` and ``moves`` turn into moves of every driver. ``replay`` is a crisis
of the past, ``reverse_stress`` how a given loss comes about, and ``correlation_stress`` what diversification is worth
once everything moves together; ``stress_figures`` shows them.
"""
