"""What all tests need."""

import signal

# A shell that starts a command in the background lets it ignore Ctrl-C, and so would everything that tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)
