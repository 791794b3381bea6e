"""Training data: clips as pairs of low and high resolution, read only when and where they are needed."""
