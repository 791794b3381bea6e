"""Command lines: arguments, exit codes, and nothing else."""
