"""A tiny Piper voice, trained on speech that espeak-ng makes."""
