"""What-ifs: other portfolios and other trades than the book's, computed on request and published nowhere.

``optimising`` finds weights, ``scheduling`` slices trades, and a ``pool`` says where both are computed and how many at
a time.
"""
