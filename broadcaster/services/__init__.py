"""Use cases: one module each, told top to bottom. They never commit, except dispatch."""
