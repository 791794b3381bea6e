"""Weight files: which exist, how to get them, read any of them, and bring networks and weights together."""
