"""FIX 4.2: ``fields`` and what orders and reports are in them, ``engine`` around QuickFIX, and its ``process``.

Only ``engine`` knows QuickFIX, and loads it when a session begins; ``journal`` is what both directions said, on disk,
``told`` what that means, and ``link`` the gate's end of the socket to the process.
"""
