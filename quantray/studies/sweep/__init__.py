"""Whether knowing the regime helps a strategy: parameters searched by regime, tested out of sample."""
