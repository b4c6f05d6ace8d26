"""From trades to orders, their schedules and what they cost: pure functions, nothing that must survive a crash.

``impact`` is the one model of what trading moves prices by; backtests and optimisers charge it, too. ``propagator`` is
impact that decays, ``impact_fit`` finds parameters in fills.

``orders`` are what is traded, in whole shares by ``rounding``; ``children`` holds thousands of child orders as columns.
``sessions`` are the hours of an exchange. ``almgren_chriss`` says how fast to trade one order, ``basket`` many that
move together, and ``schedules`` slices a day by time, volume, participation or urgency. ``selection`` chooses among
them, with what each of the ``candidates`` would cost, and ``venues`` are where slices go, by ``routing``. ``plan`` does
all of it for a ``trade_list``, and ``day_orders`` makes tables of it, by ``settings``; ``reporting`` shows it.

``simulate`` works a schedule in a market that it moves, ``bridge`` fills in the inside of a day, ``hindsight`` works a
plan on sessions that came, and ``tca`` says what an execution really cost.
"""
