"""ppvsr: video super-resolution on PaddlePaddle."""
