"""Cards from elsewhere: LocalAI's YAML, Ollama's Modelfiles, and bare model files."""
