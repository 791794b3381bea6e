"""The steps of the networks, compiled: exported once, proved in a process of their own, run by Paddle Inference."""
