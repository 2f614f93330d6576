"""What runs jobs in the background."""
