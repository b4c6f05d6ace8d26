"""Portfolio managers, accounts and laws: capital, blocks, many accounts, tax lots, compliance and a firm's limits."""
