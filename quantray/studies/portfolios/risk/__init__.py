"""Risk in studies of portfolios: ``last_day`` tells that of what is held, and ``overlay`` holds less by ``settings``.

``sections`` are what the report of a study says of both.
"""
