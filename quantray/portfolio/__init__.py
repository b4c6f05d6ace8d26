"""Weights from what is known about risk and return.

``naive`` ignores correlations; ``hrp`` follows the hierarchy of correlations.
"""
