"""Run folders: PaddleGAN's name, one for each run, the same on every rank."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest

from ppvsr.errors import UsageError
from ppvsr.system.ranks import Ranks
from ppvsr.train.checkpoint import claimed, make_run_folder

AT = datetime(2024, 3, 9, 7, 5, 59)


@dataclass(frozen=True)
class Told(Ranks):
    """A rank that hears from rank 0 what is given here."""

    rank: int = 1
    world: int = 2
    value: Any = None

    def share(self, value):
        assert value is None
        return self.value


def test_runs_of_one_minute_get_folders_of_their_own(tmp_path):
    names = [make_run_folder(tmp_path / "out", "msvsr_reds", at=AT).name for _ in range(3)]
    assert names == [f"msvsr_reds-2024-03-09-07-05{tail}" for tail in ("", "-2", "-3")]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == names


def test_other_ranks_take_the_folder_of_rank_0_and_make_none(tmp_path):
    there = tmp_path / "elsewhere"
    assert make_run_folder(tmp_path / "out", "a", at=AT, ranks=Told(value=there)) == there
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_is_named_on_every_rank(tmp_path):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(
        UsageError, match=r"output_dir: .*out: cannot be made or written: .*choose another place"
    ) as one:
        make_run_folder(tmp_path / "out", "a", at=AT)
    with pytest.raises(UsageError, match="choose another place"):
        make_run_folder(tmp_path / "out", "a", at=AT, ranks=Told(value=str(one.value)))


def test_two_processes_cannot_train_in_one_folder(tmp_path):
    with claimed(tmp_path):
        with pytest.raises(UsageError, match="another process is training there"), claimed(tmp_path):
            pass
        with claimed(tmp_path, ranks=Ranks(1, 2)):  # the other ranks of the same training
            pass
    with claimed(tmp_path):
        pass
