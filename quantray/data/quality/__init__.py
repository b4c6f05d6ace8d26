"""From bars as they stand in files to bars that can be believed.

``events``, by ``evidence`` and by what adjusted closes have ``implied``, decide what the prices account for;
``overlap`` lets new bars go on from stored ones. ``checks`` (of rows, of prices) find and ``treatment`` treats what is
wrong; ``examining`` does it all in turn.
"""
