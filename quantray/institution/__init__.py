"""Portfolio managers, accounts and laws: capital, blocks, tax lots, compliance and the limits of a firm."""
