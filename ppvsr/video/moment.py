"""A short part of a film."""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple


class Moment(NamedTuple):
    """So many seconds of a film from a time on, both exact."""

    start: Fraction
    seconds: Fraction
