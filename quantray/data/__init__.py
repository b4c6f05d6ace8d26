"""Market data: from files to a point-in-time panel.

``formats`` say what vendors' files look like; ``sheets``, ``headers`` and ``parsing`` read their tables, and
``importing`` and ``folders`` make bars of them. ``events``, by ``evidence`` and by what adjusted closes have
``implied``, decide what the prices account for; ``adjustment`` makes total returns of them. ``checks`` (of rows, of
prices) find and ``quality`` treats what is wrong; ``examining`` does it all in turn. ``store`` keeps bars in
``versions`` of tables, at ``places`` whose ``addresses`` are checked; ``loading`` makes panels of them, ``overlap``
lets new ones go on from stored ones, ``restatements`` tell what was known when, ``symbols`` who is who. ``universe``
says who was a member when, ``panel`` is what flows onward. ``calendar`` and ``splits`` hold dates, ``synthetic`` makes
a market whose truth is known. ``files`` appear whole or not at all, ``seals`` tell whether they are what was written,
``locks`` let one at a time write a folder, ``frames`` spare memory.
"""
