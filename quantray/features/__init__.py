"""What is known at the close: returns."""
