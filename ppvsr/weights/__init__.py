"""Weight files: which exist, how to get them, how to read any of them, and how to load them into a network."""
