"""Tensor functions and small layers that the networks share."""
