"""What can go wrong for a user. Every message names the place, the wrong value and what to do next."""


class PpvsrError(Exception):
    """Base of all errors that are meant for the user; the command line prints it as one line, without traceback."""

    exit_code = 1


class UsageError(PpvsrError, ValueError):
    """The request itself cannot be served: a name that does not exist, an option out of range, a missing file."""

    exit_code = 2


class ConfigError(UsageError):
    """A config that cannot be used."""


class WeightsError(PpvsrError):
    """A weight file that is missing, damaged, hostile, or made for another network."""


class DataError(PpvsrError):
    """Training data that is missing or unreadable."""


class VideoError(PpvsrError):
    """A film or a folder of pictures that cannot be read or written."""
