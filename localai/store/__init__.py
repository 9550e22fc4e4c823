"""Where models live: references, transports, downloads and what is on disk."""
