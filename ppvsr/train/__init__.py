"""Training and evaluation: tasks, steps, the loop, checkpoints, scores."""
