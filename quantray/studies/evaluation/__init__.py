"""Strategies played through a panel: families of parameter sets, what each earns, and plans that change sets."""
