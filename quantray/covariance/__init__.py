"""How assets move together: covariances from returns with gaps, factor models, and covariances per regime."""
