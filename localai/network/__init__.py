"""Which hosts may be connected to, and how patiently they are asked; knows nothing of models."""
