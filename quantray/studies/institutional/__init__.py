"""What each of five phases of optimisation is worth: regimes, parameters, weights, a risk overlay and execution."""
