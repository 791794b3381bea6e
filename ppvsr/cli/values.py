"""Values on a command line, as people write them. Each function is the `type` of an argument."""

from __future__ import annotations

import re
from argparse import ArgumentTypeError
from fractions import Fraction

from ppvsr.video.moment import Moment

UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


def natural(text: str) -> int:
    """Read 0, 1, 2, ..."""
    if not re.fullmatch(r"\d+", text):
        raise ArgumentTypeError(f"{text!r} is not a whole number of 0 or more")
    return int(text)


def positive(text: str) -> int:
    """Read 1, 2, 3, ..."""
    if not re.fullmatch(r"0*[1-9]\d*", text):
        raise ArgumentTypeError(f"{text!r} is not a whole number of 1 or more")
    return int(text)


def memory(text: str) -> int:
    """Read 6G, 800M, 1.5 GiB, ... as bytes (powers of 1024)."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?\s*", text, re.IGNORECASE)
    if not match or not float(match[1]):
        raise ArgumentTypeError(f"{text!r} is not an amount of memory; write it like 6G or 800M")
    return int(float(match[1]) * UNITS[match[2].upper()])


def rate(text: str) -> Fraction:
    """Read 25, 23.976 or 24000/1001 as frames per second."""
    try:
        value = Fraction(text)
    except (ValueError, ZeroDivisionError):
        value = Fraction(0)
    if not 0 < value <= 1000:
        raise ArgumentTypeError(f"{text!r} is not a frame rate; write it like 25 or 24000/1001")
    return value


def moment(text: str) -> Fraction:
    """Read 90, 1:30 or 0:01:30.5 as seconds."""
    match = re.fullmatch(r"(?:(?:(\d{1,9}):)?(\d{1,9}):)?(\d{1,9}(?:\.\d{1,9})?)", text)
    if not match:
        raise ArgumentTypeError(f"{text!r} is not a time; write it like 90, 1:30 or 0:01:30.5")
    hours, minutes, seconds = match.groups(default="0")
    return 3600 * int(hours) + 60 * int(minutes) + Fraction(seconds)


def excerpt(text: str) -> Moment:
    """Read 10+3, 00:10+3 or 1:02:03.5+2 as a time and the seconds from there on."""
    match = re.fullmatch(r"(.*)\+(\d{1,9}(?:\.\d{1,9})?)", text)
    if not match or not Fraction(match[2]):
        raise ArgumentTypeError(f"{text!r} is not a part of a film; write it like 00:10+3, 3 seconds from there on")
    return Moment(moment(match[1]), Fraction(match[2]))


def decimal(text: str) -> Fraction:
    """Read 2, 1.5 or 0.7."""
    if not re.fullmatch(r"\d{1,9}(\.\d{1,9})?|\.\d{1,9}", text):
        raise ArgumentTypeError(f"{text!r} is not a number; write it like 2 or 0.7")
    return Fraction(text)
