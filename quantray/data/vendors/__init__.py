"""Files as people have them: which vendor's they are, and the bars that they hold.

``formats`` say what vendors' files look like; ``packed``, ``sheets``, ``headers`` and ``parsing`` read their tables,
``cells``, ``importing`` and ``folders`` make bars of them.
"""
