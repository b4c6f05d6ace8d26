"""A venue to practise on, as a process of its own: it is asked, it fails and it survives as a real one would.

``bars`` are the market that is replayed (``replay`` makes them), ``places`` the venues in it, and ``matching`` says
which orders trade in a bar, as a pure function. The ``book`` holds orders, executions and accounts behind all doors,
and ``keeping`` has them on disk before anybody is answered; ``records``, ``refusals``, ``accounts`` and ``stream`` are
its parts. ``faults`` go wrong by chance or on command, those of a ``network`` too. ``door`` is the book over HTTP,
``serving`` runs it, and ``clock`` tells its time to desks.
"""
