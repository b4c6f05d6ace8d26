"""Which allocator is worth its trades: decisions on walk-forward folds, replayed with costs."""
