"""How assets move together: estimators of covariance matrices from returns with gaps."""
