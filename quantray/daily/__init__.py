"""A day of production: from the bars of the close to a book that is ready to be published.

``book`` is what a day ends with: the portfolio, the schedule of its trades, its risk and what led to them.
"""
