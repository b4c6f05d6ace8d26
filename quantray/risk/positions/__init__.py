"""Positions, what they are worth, and how they follow the drivers of their value.

``holdings`` are a book of positions, ``market`` what is known of the drivers of their value, ``pricing`` what
positions are worth after any change of these, and ``sensitivities`` how they follow small ones. ``groups`` are labels
of positions, and ``book`` is what limits, liquidity and concentration look at.
"""
