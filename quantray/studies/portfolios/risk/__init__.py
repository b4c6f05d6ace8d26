"""Risk in studies of portfolios: ``last_day`` tells that of what is held, and ``overlay`` holds less by ``settings``.

The limits that it obeys move by ``levels``. ``sections`` are what the report of a study says of all.
"""
