"""Wrong numbers in `log_config`, `snapshot_config` and `validate` are refused by name."""

import pytest

from ppvsr.errors import ConfigError
from ppvsr.train.experiment import LogOptions, SnapshotOptions, ValidateOptions


def test_the_defaults_stand_and_never_is_minus_one():
    assert LogOptions() == LogOptions(interval=10, visual_interval=None)
    assert LogOptions(visual_interval=-1).visual_interval == -1
    assert SnapshotOptions(interval=5000) == SnapshotOptions(5000, keep=1, keep_weights=None, best="psnr")
    assert ValidateOptions().interval == -1
    assert ValidateOptions(window=5, overlap=2).overlap == 2


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: LogOptions(interval=0), r"log_config\.interval: expected 1 or more, got 0"),
        (lambda: LogOptions(visual_interval=0), r"log_config\.visual_interval: .* or -1 for never, got 0"),
        (lambda: SnapshotOptions(interval=-5), r"snapshot_config\.interval: expected 1 or more, got -5"),
        (lambda: SnapshotOptions(interval=1, keep=0), r"snapshot_config\.keep: expected 1 or more, got 0"),
        (lambda: SnapshotOptions(interval=1, keep_weights=0), r"snapshot_config\.keep_weights: expected 1 or more"),
        (lambda: ValidateOptions(interval=0), r"validate\.interval: expected a number of steps, or -1 for never"),
        (lambda: ValidateOptions(window=0), r"validate\.window: expected 1 or more, got 0"),
        (lambda: ValidateOptions(overlap=-1), r"validate\.overlap: expected 0 or more, got -1"),
        (lambda: ValidateOptions(window="all", overlap=2), r"validate\.overlap: 2 with window: all"),
        (lambda: ValidateOptions(window=4, overlap=2), r"window must be at least 5, or overlap at most 1"),
    ],
)
def test_a_number_that_cannot_be_is_named_with_its_place(make, message):
    with pytest.raises(ConfigError, match=message):
        make()
