"""What portfolio managers, risk officers and operations read of the order management, and how they reach its gate."""
