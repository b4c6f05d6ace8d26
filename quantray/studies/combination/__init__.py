"""How many strategies share capital: allocated walking forward, netted, compared with simpler ways."""
