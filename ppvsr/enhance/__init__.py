"""Videos in, larger videos out, in bounded memory."""
