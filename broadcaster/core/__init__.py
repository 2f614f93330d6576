"""Rules: pure functions and frozen values; the present moment is always an argument."""
