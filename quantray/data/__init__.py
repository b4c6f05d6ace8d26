"""Market data: from files to a point-in-time panel.

``vendors`` read their files, ``quality`` makes bars of them that can be believed. ``store`` keeps their ``rows`` in
versions, ``loading`` makes panels of them and ``adjustment`` total returns; ``restatements`` tell what was known when,
``symbols`` who is who. ``universe`` says who was a member when, ``own_universe`` as users say it; ``panel`` is what
flows onward. ``calendar`` and ``splits`` hold dates, ``blocks`` spare memory, ``synthetic`` makes a market whose truth
is known.
"""
