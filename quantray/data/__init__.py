"""Market data: from files to a point-in-time panel.

``importing`` reads files, ``checks`` find and ``quality`` treats what is wrong in them, ``store`` keeps bars in
versions, ``adjustment`` turns prices into total returns, ``universe`` says who was a member when, ``panel`` is what
flows onward. ``calendar`` and ``splits`` hold dates, ``synthetic`` makes a market whose truth is known.
"""
