"""The `llama_cpp` backend: language models in GGUF files."""

import os

from backends.llama_cpp.engine.threads import limit_spinning

# OpenMP reads its settings once, when the modules of this package import llama.cpp.
limit_spinning(os.environ)
