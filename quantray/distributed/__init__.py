"""The same work on many workers, with Ray: ``cluster`` connects, ``executor`` maps, ``jobs`` submits workflows."""
