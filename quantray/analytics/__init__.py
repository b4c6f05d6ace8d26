"""What happened and why: the track record of a portfolio, its metrics, and the report that people read."""
