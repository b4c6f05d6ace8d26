"""Which market we are in: five lenses, three methods, their ensemble, and the path of labels through time."""
