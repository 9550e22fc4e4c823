"""Pictures on diffusers; nothing in here reaches for the network."""

import os

# Both libraries read these once, when they are imported.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
