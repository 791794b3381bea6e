"""An HTTP service around `ppvsr.enhance_video`: see deploy/README.md."""
