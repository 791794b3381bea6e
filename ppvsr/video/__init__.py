"""Films as streams of frames: read anything, write everything back. No Paddle in here."""
