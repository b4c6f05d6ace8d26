"""Which forecaster knows something: fits on walk-forward folds, held against controls."""
