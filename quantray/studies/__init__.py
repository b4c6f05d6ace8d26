"""The questions that are asked of data, one folder a kind; ``kinds`` finds them by name.

``portfolios``   which allocator is worth its trades
``forecasts``    which forecaster knows something
``scale``        what more names cost and bring
``sweep``        whether knowing the regime helps a strategy
``combination``  how many strategies share capital
``institutional``  what each of five phases of optimisation is worth
``tuning``       which settings of another study are better
``evaluation``   is no kind: strategies played through a panel, for sweeps and combinations
``reports``      is none either: finished runs explained for a client, a manager or a risk officer

Each folder holds its ``settings``, its ``study``, what is kept of it (``findings``, ``report``), and its ``kind``.
"""
