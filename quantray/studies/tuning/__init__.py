"""Which settings of another study are better: searched on the past, measured once on dates held out."""
