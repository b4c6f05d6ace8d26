"""Orders that survive a crash: checked, reserved and on disk before a byte leaves, and booked once.

``messages`` are what orders, decisions and reports are, ``states`` what an order may become. The ``ledger`` holds
positions, cash and exposures in memory; ``checks`` are the table that an order passes; the ``gate`` is the only writer:
it checks, reserves and replies after the commit, in the tables of ``schema`` through ``database``. The ``outbox`` hands
orders to ``gateways``, and ``reconcile`` asks venues what became of them. ``audit`` is the chained log of all of it,
and its independent reader. ``paper`` is a venue to practise on, and the ``worker`` works a schedule through a day;
``desk`` is what it asks of the gate, from another process by the ``door``. ``blocks`` trade for several accounts.
``firm`` and ``compliance`` hold orders against limits and rules of ``institution``. Behind ``walls`` a manager reads no
row of another's, and ``approvals`` are changes of limits by two people.
"""
