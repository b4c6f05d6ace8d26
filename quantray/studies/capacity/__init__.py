"""How much money an allocator can manage before what its trades move prices by takes what it earns."""
