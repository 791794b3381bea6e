import pytest

from ppvsr.system.files import written_whole


def test_a_file_has_its_name_when_it_is_complete(tmp_path):
    path = tmp_path / "file.txt"
    with written_whole(path) as unfinished:
        unfinished.write_text("one")
        assert not path.exists() and unfinished.name.startswith(".")
    assert path.read_text() == "one" and list(path.parent.iterdir()) == [path]


def test_a_failure_leaves_the_older_file_and_nothing_else(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt), written_whole(path) as unfinished:
        unfinished.write_text("half")
        raise KeyboardInterrupt
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]
