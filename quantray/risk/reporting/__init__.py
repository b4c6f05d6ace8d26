"""What a risk report says, and how it looks.

``sections`` are plain values that JSON keeps; ``estimates`` are the value-at-risk by every method, ``book_backtest``
holds them against the past, and ``page``, with ``figures``, is how it looks.
"""
