"""Finished runs for readers and for other programs: explained and written from the folder, not computed again."""
