"""The `sentence_transformers` backend: embedding models in folders of sentence-transformers."""

import os

# These are read once, when the libraries are imported. Nothing in here reaches for the network, and
# threads that wait for each other go to sleep soon: on a busy machine a spinning one takes the time
# of the one it waits for.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
if not {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"} & set(os.environ):
    os.environ["GOMP_SPINCOUNT"] = "1000"
