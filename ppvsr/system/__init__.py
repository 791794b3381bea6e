"""The machine under the house: files, the cache, processes, memory, Paddle. Knows nothing of video."""
