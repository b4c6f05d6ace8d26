"""What happened and why: the track record of a portfolio, its metrics, and the report that people read.

``forecasts`` says how good scores are and ``bootstrap`` how sure that is.
"""
