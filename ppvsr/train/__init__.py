"""Training: a config, its network and data, the loop, checkpoints."""
