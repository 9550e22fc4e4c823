"""What this machine has: processor, memory, GPUs, tools, engines; no engine is imported."""
