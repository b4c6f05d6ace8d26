"""Ways to a venue: ``protocol`` is what each of them can do; ``rest`` is HTTP, ``alpaca`` a broker's, ``fix`` FIX 4.2."""
