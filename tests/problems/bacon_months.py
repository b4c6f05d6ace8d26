"""Bacon (2008): 24 monthly returns of a portfolio and its benchmark."""

import numpy as np

__all__ = ["BENCHMARK", "MONTHS", "PORTFOLIO"]

PORTFOLIO = np.array(
    [0.3, 2.6, 1.1, -1, 1.5, 2.5, 1.6, 6.7, -1.4, 4, -0.5, 8.1, 4, -3.7, -6.1, 1.7, -4.9, -2.2, 7,
     5.8, -6.5, 2.4, -0.5, -0.9]
) / 100  # fmt: skip
BENCHMARK = np.array(
    [0.2, 2.5, 1.8, -1.1, 1.4, 1.8, 1.4, 6.5, -1.5, 4.2, -0.6, 8.3, 3.9, -3.8, -6.2, 1.5, -4.8, 2.1, 6,
     5.6, -6.7, 1.9, -0.3, 0]
) / 100  # fmt: skip
MONTHS = np.arange("2000-02", "2002-02", dtype="datetime64[M]").astype("datetime64[D]") - 1
"""Their last days."""
