"""What the log alone says: its ``lines`` and chain, what ``happened`` step by step, within which ``bounds``.

``standing`` is what that leaves: positions, cash, reservations and exposures; ``tables`` compares it with a database.
Nothing here knows the ledger, the books or the checks of the gate, so that a fault of theirs is seen.
"""
