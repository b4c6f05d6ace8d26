"""Why a portfolio earned what it earned, in parts that add up to it: along every dimension, day by day and linked.

``attribute`` gives all dimensions that its inputs allow. ``holdings`` finds what each holding earned; ``brinson``
splits by sector, ``factor`` by factor, ``strategies`` by who shares the capital, ``segments`` and ``weeks`` by time,
``execution`` by what trading cost, ``currency`` by market and currency. ``linking`` carries the parts of periods over
all of them, and ``breakdown`` refuses a sum that does not close.
"""
