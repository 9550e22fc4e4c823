"""The `piper` backend: speech by Piper voices."""

import os

# Read once, when the library is imported, which Piper does for Chinese: nothing in here reaches for
# the network.
os.environ["HF_HUB_OFFLINE"] = "1"
