"""From trades to orders, their schedules and what they cost: pure functions, nothing that must survive a crash.

``impact`` is the one model of what trading moves prices by; ``orders`` are what is traded, in whole shares by
``rounding``. ``almgren_chriss`` says how fast.
``simulate`` works a schedule in a market that it moves, ``bridge`` fills in the inside of a day, and ``tca`` says what an
execution really cost.
"""
