"""What the monitor is made of.

A ``moving`` book goes from price to price, with the ``running`` sums of its risk; ``alerts`` come once for a breach,
and ``latency`` is counted.
"""
