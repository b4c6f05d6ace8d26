"""Ways to a venue: what each can do says ``protocol``; ``rest`` is HTTP, ``alpaca`` a broker over it, ``fix`` FIX."""
