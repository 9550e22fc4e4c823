"""The starter speech recogniser: its sentences, its training, its export and its measurement."""
