"""Models that a person can install by name: galleries, what is in them, and what fits."""
