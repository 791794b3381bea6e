"""A YAML tree, and how its nodes become objects. Knows no Paddle and no names."""
