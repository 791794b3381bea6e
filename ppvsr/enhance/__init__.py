"""The streaming engine: films in, larger films out, in bounded memory."""
