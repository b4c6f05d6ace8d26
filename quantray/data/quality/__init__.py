"""From bars as they stand in files to bars that can be believed.

``events``, by the ``evidence`` on those ``listed`` and by what adjusted closes have ``implied``, decide what the prices
account for; ``overlap`` lets new bars go on from stored ones. ``checks`` (of rows, of prices) look at ``bars``,
``treatment`` treats what is wrong and ``findings`` tell of it; ``examining`` does it all in turn.
"""
