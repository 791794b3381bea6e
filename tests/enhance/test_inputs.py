"""What names on the command line stand for."""

import os
from pathlib import Path

import pytest

from ppvsr.enhance.batch import find_inputs
from ppvsr.errors import UsageError

ODD = [
    'it\'s "so".mp4',
    "two\nlines.mp4",
    "第一集.mkv",
    "-rf.mov",
    "  spaces  .mp4",
    "100%d.mp4",
    "[a-z]*.mp4",
    "\udcff.mp4",
]


def touch(folder, *names):
    """Make empty files, and the folders they are in; return the folder."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


@pytest.fixture
def clips(tmp_path, monkeypatch):
    """A tree with films, images and other files, seen from the folder that it lies in."""
    monkeypatch.chdir(tmp_path)
    touch(tmp_path / "clips", "a.mp4", "b10.MKV", "b9.webm", "s1/a.mp4", "s1/deep/er/c.ts", "s1/notes.txt", "s2/x.png")
    touch(tmp_path / "clips", ".hidden.mp4", ".git/d.mp4", "e.mp4.ppvsr/000001.mp4", "f.srt", "README")
    return Path("clips")


def found(*names, output="out"):
    """Return [(source, folder below the output), ...], as texts."""
    return [
        (str(each.source), str(each.folder)) for each in find_inputs([str(name) for name in names], Path(output)).films
    ]


def test_a_named_film_is_taken_as_it_is(clips):
    inputs = find_inputs(["clips/f.srt"], Path("out"))
    assert inputs.alone and not inputs.notes
    assert found("clips/f.srt") == [("clips/f.srt", ".")]  # it was named, so it is tried


def test_a_folder_stands_for_its_films_in_natural_order_and_the_tree_is_kept(clips):
    assert found("clips") == [
        ("clips/a.mp4", "."),
        ("clips/b9.webm", "."),
        ("clips/b10.MKV", "."),
        ("clips/s1/a.mp4", "s1"),
        ("clips/s1/deep/er/c.ts", "s1/deep/er"),
    ]


def test_what_is_left_out_is_said_and_counted(clips):
    inputs = find_inputs(["clips"], Path("out"))
    assert not inputs.alone
    assert inputs.notes == [
        "clips: there are films; 1 image left out",
        "clips: 3 other files left out (no ending, .srt, .txt)",
    ]


def test_a_folder_of_images_is_one_film(tmp_path):
    folder = touch(tmp_path / "frames", "1.png", "2.png", "below/3.png")
    inputs = find_inputs([str(folder)], Path("out"))
    assert [each.source for each in inputs.films] == [folder] and inputs.alone
    assert inputs.notes == [f"{folder}: 1 image in folders below left out"]


def test_folders_of_images_below_are_a_film_each_where_there_are_no_films(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    touch(tmp_path / "reds", "val/000/0.png", "val/000/1.png", "val/001/0.png", "test/000/0.png")
    assert found("reds") == [("reds/test/000", "test"), ("reds/val/000", "val"), ("reds/val/001", "val")]


@pytest.mark.parametrize(
    ("pattern", "films"),
    [
        ("clips/*.mp4", [("clips/a.mp4", ".")]),
        ("clips/**/*.mp4", [("clips/a.mp4", "."), ("clips/s1/a.mp4", "s1")]),
        ("clips/*/*.mp4", [("clips/s1/a.mp4", "s1")]),
        ("clips/s*", [("clips/s1/a.mp4", "s1"), ("clips/s1/deep/er/c.ts", "s1/deep/er")]),
        ("clips/*.s?t", None),
        ("clips/*.srt", [("clips/f.srt", ".")]),  # an ending that is spelt out is meant
        ("clips/**/*.ppvsr", None),
        ("clips/*.ppvsr/*.mp4", None),
        ("clips/**/x*.png", [("clips/s2/x*.png", ".")]),
        ("clips/b[0-9].*", [("clips/b9.webm", ".")]),
    ],
)
def test_patterns_are_expanded_where_the_shell_did_not(pattern, films, clips):
    if films is None:
        with pytest.raises(UsageError, match="matches no films and no images"):
            found(pattern)
    else:
        assert found(pattern) == films


def test_a_pattern_for_everything_is_like_the_folder(clips):
    assert sorted(found("clips/**")) == sorted(found("clips")) == sorted(found("clips/*"))
    counts = [note.partition(": ")[2] for note in find_inputs(["clips"], Path("out")).notes]
    for pattern in ("clips/**", "clips/*"):
        assert [note.partition(": ")[2] for note in find_inputs([pattern], Path("out")).notes] == counts


@pytest.mark.parametrize("pattern", ["frames/%08d.png", "frames/*.png", "frames/0000000?.png"])
def test_patterns_of_images_in_one_folder_are_one_film(pattern, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    touch(tmp_path / "frames", "00000001.png", "00000002.png")
    inputs = find_inputs([pattern], Path("out"))
    assert inputs.alone and found(pattern) == [(pattern, ".")]


@pytest.mark.parametrize("name", ODD)
def test_names_may_have_any_characters_and_win_over_patterns(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    touch(tmp_path / "[in]", name, "z.mp4")
    path = os.path.join("[in]", name)
    assert found(path) == [(path, ".")]
    assert (path, ".") in found("[in]") and (path, ".") in found(f"[in]/*{Path(name).suffix}")


def test_a_list_names_films_folders_and_patterns_from_its_own_folder(clips, tmp_path):
    lists = tmp_path / "lists"
    lists.mkdir()
    text = "\ufeff# mine\r\n\r\n  ../clips/a.mp4  \r\n../clips/s1\n../clips/b*\n"
    (lists / "films.txt").write_text(text, encoding="utf-8", newline="")
    expected = [
        ("lists/../clips/a.mp4", "."),
        ("lists/../clips/s1/a.mp4", "."),
        ("lists/../clips/s1/deep/er/c.ts", "deep/er"),
        ("lists/../clips/b9.webm", "."),
        ("lists/../clips/b10.MKV", "."),
    ]
    assert found("lists/films.txt") == found("@lists/films.txt") == expected
    (lists / "films.txt").rename(lists / "films.lst")
    assert found("@lists/films.lst") == expected


def test_a_list_of_one_film_is_not_that_film_alone(clips, tmp_path):
    (tmp_path / "one.txt").write_text("clips/a.mp4")
    assert not find_inputs(["one.txt"], Path("out")).alone


def test_a_file_that_is_called_like_a_list_is_taken_as_it_stands(tmp_path, monkeypatch):
    monkeypatch.chdir(touch(tmp_path, "@a.mp4"))
    assert found("@a.mp4") == [("@a.mp4", ".")]


def test_what_is_named_twice_is_made_once(clips):
    assert found("clips", "clips/a.mp4", "./clips") == found("clips")


def test_results_in_the_output_are_no_inputs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    results = "a_PPMSVSR.mp4", "a_Bicubic_PPMSVSRSmall.mkv", "c_Bicubic/0.png", "a_PPMSVSR_preview.png"
    touch(tmp_path, "a.mp4", "b_Bicubic.mp4", *[f"out/{name}" for name in results], "out/d.mp4")
    assert found(".") == [("a.mp4", "."), ("b_Bicubic.mp4", "."), ("out/d.mp4", "out")]
    assert ".: 4 earlier results left out" in find_inputs(["."], Path("out")).notes
    assert found("**/*_*.mp4") == [("b_Bicubic.mp4", ".")]
    assert found("out/a_PPMSVSR.mp4") == [("out/a_PPMSVSR.mp4", ".")]  # named, so meant
    assert len(found(".", output="elsewhere")) == 5


def test_folders_that_go_round_in_a_circle_end(tmp_path):
    touch(tmp_path / "loop", "a.mp4")
    (tmp_path / "loop" / "again").symlink_to(tmp_path / "loop")
    assert len(found(tmp_path / "loop")) == 1


def test_a_folder_that_cannot_be_looked_into_is_named(tmp_path, monkeypatch):
    touch(tmp_path / "in", "a.mp4", "closed/b.mp4")
    scandir = os.scandir

    def refuse(path):
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert find_inputs([str(tmp_path / "in")], Path("out")).notes == [
        f"{tmp_path / 'in' / 'closed'}: cannot be looked into: Permission denied"
    ]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([""], "has no name; give a film, a folder"),
        (["a.mp4", "typo.mp4"], r"^typo.mp4: does not exist; give a film, a folder"),
        (["frames/%08d.png"], r"^frames/%08d.png: does not exist"),
        (["empty"], "^empty: holds no films and no images, which are told by their endings"),
        (["*.mkv"], r"^\*.mkv: is a pattern that matches no films"),
        (["@none.txt"], r"^none.txt: the list cannot be read: No such file or directory"),
        (["binary.txt"], "^binary.txt: is not a list of films: it is no UTF-8 text"),
        (["comment.txt"], "^comment.txt: names no film; write one in each line"),
        (["typo.txt"], "^typo.txt, line 2: b.mp4: does not exist"),
        (["nul.txt"], r"line 1: a\\x00b.*is no name of a file"),
    ],
)
def test_names_that_stand_for_nothing_are_refused(names, message, tmp_path, monkeypatch):
    monkeypatch.chdir(touch(tmp_path, "a.mp4", "empty/x.srt"))
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "comment.txt").write_text("# later\n")
    (tmp_path / "typo.txt").write_text("a.mp4\nb.mp4\n")
    (tmp_path / "nul.txt").write_text("a\0b\n")
    with pytest.raises(UsageError, match=message):
        find_inputs(names, Path("out"))
