"""How good results are: metrics, and what is measured by them. Training measures here, too."""
