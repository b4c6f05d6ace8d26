"""From trades to orders, their schedules and what they cost: pure functions, nothing that must survive a crash."""
