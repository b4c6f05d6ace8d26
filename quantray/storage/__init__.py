"""Bytes that are kept: written whole, found where they were put, and seen where they are not what was written.

``files`` appear whole or not at all, ``seals`` tell whether they are what was written, a ``journal`` only grows, and
``locks`` let one at a time write a folder. ``addresses`` are those at which a table can lie, ``places`` the files
there, ``versions`` tables of which every commit stays, as the ``entries`` of their logs say.
"""
