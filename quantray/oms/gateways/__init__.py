"""Ways to a venue: what each can do says ``protocol``; ``rest`` is HTTP, ``alpaca`` a broker over it, ``fix`` FIX.

``sending`` is one request over HTTP, and ``listening`` the thread that takes reports to who books them.
"""
