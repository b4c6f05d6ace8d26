"""What can be lost, and whether the forecasts of it were right.

``tail`` estimates value-at-risk and expected shortfall from a history, splits them among positions and says what
trades would add; ``backtests`` hold forecasts of both against what happened, which ``forecasting`` makes. ``factor``
splits risk among factors, groups and names of the books of ``positions``. ``stress`` says what is lost in scenarios,
which ``stressing`` makes.

``liquidity`` says how long selling takes and what it costs, ``concentration`` how much hangs on how little,
``limits`` what a book may be, and ``limiting`` what becomes of them. ``scaling`` brings a book to a risk budget,
``sizing`` says how large to be, ``drawdown`` how deep the falls were and when to hold less, and ``overlay`` what that
exposure does.

``report`` puts all of it into one report of a book, as ``reporting`` has it; ``monitor`` follows a book from price to
price, with what is in ``watching``.
"""
