"""What happened and why: the track record of a portfolio, its metrics, and the report that people read.

``forecasts`` says how good scores are, ``selection`` what is left of a Sharpe ratio chosen from many, and ``bootstrap``
how sure that is. Each kind of study has its figures and its report; ``pages`` makes them one file of HTML.
"""
