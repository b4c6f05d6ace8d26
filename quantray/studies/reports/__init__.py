"""Reports of finished runs for readers: the run is explained again from its folder, not computed again."""
