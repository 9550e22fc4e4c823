"""The starter chat model: its facts, its training, its export and its measurement."""
