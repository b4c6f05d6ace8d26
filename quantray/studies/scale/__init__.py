"""What a universe's size costs and brings: the same forecasters on 400 names and on thousands."""
