"""The same work on many workers, with Ray: ``cluster`` connects, ``executor`` maps, ``jobs`` submits workflows.

``auto`` works in this process until Ray pays. ``packing`` finds the code of a user's that a job needs.

``training`` fits one network with several workers: ``workers`` share the dates, and those in a row one of the ``axes``.
``tuning`` searches settings with Ray Tune.
"""
