"""The starter image model: a small Stable Diffusion pipeline, its training and its measurement."""
