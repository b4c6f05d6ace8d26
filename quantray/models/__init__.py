"""Forecasts by fitting: controls, encoders, attention that stays linear, training and checkpoints."""
