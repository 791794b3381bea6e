"""What people write on a command line."""

from argparse import ArgumentTypeError
from fractions import Fraction

import pytest

from ppvsr.cli.common import decimal, excerpt, memory, moment, natural, positive, rate

GB = 2**30


@pytest.mark.parametrize(
    ("read", "text", "value"),
    [
        (natural, "0", 0),
        (positive, "012", 12),
        (memory, "6G", 6 * GB),
        (memory, "800m", 800 * 2**20),
        (memory, "1.5 GiB", 3 * GB // 2),
        (memory, "7", 7),
        (rate, "25", 25),
        (rate, "24000/1001", Fraction(24000, 1001)),
        (rate, "29.97", Fraction(2997, 100)),
        (decimal, "1.5", Fraction(3, 2)),
        (decimal, ".7", Fraction(7, 10)),
        (moment, "90", 90),
        (moment, "1:30.5", Fraction(181, 2)),
        (moment, "1:00:01", 3601),
        (excerpt, "10+3", (10, 3)),
        (excerpt, "00:10+3", (10, 3)),
        (excerpt, "1:02:03.5+2.25", (Fraction(7447, 2), Fraction(9, 4))),
        (excerpt, "0+0.5", (0, Fraction(1, 2))),
    ],
)
def test_values_are_read_as_people_write_them(read, text, value):
    assert read(text) == value


@pytest.mark.parametrize(
    ("read", "texts", "message"),
    [
        (natural, ["-1", "x", "1.5", ""], "is not a whole number of 0 or more"),
        (positive, ["0", "-1", "x"], "is not a whole number of 1 or more"),
        (memory, ["", "lots", "-3G", "0", "3X"], "is not an amount of memory; write it like 6G or 800M"),
        (rate, ["0", "-25", "1/0", "x", "5000"], "is not a frame rate; write it like 25 or 24000/1001"),
        (
            excerpt,
            ["10", "10+", "10+0", "10+-3", "10-3", "10+1:00", "10+nan", "", "10+1e9"],
            r"is not a part of a film; write it like 00:10\+3, 3 seconds from there on",
        ),
        (excerpt, ["+3", "x+3", "10+3+3"], "is not a time; write it like 90, 1:30 or 0:01:30.5"),
        (decimal, ["much", "-1", "1e3", "nan", ""], "is not a number; write it like 2 or 0.7"),
        (moment, ["noon", "-1", "1:2:3:4", ""], "is not a time; write it like 90, 1:30 or 0:01:30.5"),
    ],
)
def test_other_values_are_refused_with_the_form(read, texts, message):
    for text in texts:
        with pytest.raises(ArgumentTypeError, match=message):
            read(text)
