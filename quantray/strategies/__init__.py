"""Weights by rule: the strategy families, their catalogue, and the ensemble that knows the regime."""
