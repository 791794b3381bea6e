"""A config file becomes one plain tree: renamed, inherited, overridden."""

import pytest

from ppvsr.config.yaml import load, merge
from ppvsr.errors import ConfigError


@pytest.fixture
def write(tmp_path):
    def write(name, text):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_spellings_of_paddlegan_are_renamed_at_every_depth(write):
    path = write("a.yaml", "log_config: {visiual_interval: 5}\nlist: [{a: [{use_local_connnect: true}]}]")
    assert load(path) == {"log_config": {"visual_interval": 5}, "list": [{"a": [{"use_local_connect": True}]}]}


def test_both_spellings_of_a_key_are_refused(write):
    path = write("a.yaml", "x: [{visiual_interval: 5, visual_interval: 6}]")
    with pytest.raises(ConfigError, match=r"a.yaml: x\[0\].visiual_interval: means the same as `visual_interval`"):
        load(path)


@pytest.mark.parametrize("text", ["min_max: (0., 1.)", "min_max:\n  (0., 1.)", "min_max: [0., 1.]", "min_max: (0, 1)"])
def test_min_max_is_a_pair_however_it_is_written(write, text):
    assert load(write("a.yaml", text))["min_max"] == [0.0, 1.0]


@pytest.mark.parametrize("text", ["(0., 1.", "(0., 1., 2.)", "(0., x)", "('a', 'b')", "5", '"' + "(" * 90 + '"'])
def test_min_max_that_is_no_pair_is_refused(write, text):
    if text == "5":
        assert load(write("a.yaml", f"min_max: {text}"))["min_max"] == 5  # a number is for the check of the config
        return
    with pytest.raises(ConfigError, match=r"min_max: expected two numbers such as \[0.0, 1.0\], got"):
        load(write("a.yaml", f"min_max: {text}"))


def test_other_text_in_brackets_stays_text(write):
    assert load(write("a.yaml", "other: (0., 1.)"))["other"] == "(0., 1.)"


def test_keys_of_transforms_are_dropped_when_they_say_nothing(write):
    path = write("a.yaml", "preprocess: [{name: T, pipeline: [{name: Flip, keys: [image, image]}], keys: [x]}]")
    assert load(path) == {"preprocess": [{"name": "T", "pipeline": [{"name": "Flip"}], "keys": ["x"]}]}


def test_keys_of_transforms_that_say_something_are_all_refused(write):
    path = write("a.yaml", "d: {pipeline: [{name: Flip, keys: [image]}, {name: Crop, keys: [lq, gt]}]}")
    with pytest.raises(ConfigError, match=r"d.pipeline\[0\].keys: transforms always work on both clips") as caught:
        load(path)
    assert "d.pipeline[1].keys" in str(caught.value)


def test_mappings_merge_and_everything_else_is_replaced(write):
    write("base.yaml", "a: {x: 1, y: {z: 1, w: 2}}\nl: [1, 2]\ns: 1\nkept: 5")
    path = write("a.yaml", "_base_: base.yaml\na: {y: {z: 3}, n: 4}\nl: [3]\ns: {t: 1}")
    assert load(path) == {"a": {"x": 1, "y": {"z": 3, "w": 2}, "n": 4}, "l": [3], "s": {"t": 1}, "kept": 5}


def test_another_name_replaces_the_mapping_as_a_whole(write):
    write("base.yaml", "m: {name: A, x: 1, g: {name: G, u: 1}}")
    assert load(write("a.yaml", "_base_: base.yaml\nm: {name: B, y: 2}")) == {"m": {"name": "B", "y": 2}}
    same = load(write("b.yaml", "_base_: base.yaml\nm: {name: A, y: 2, g: {u: 3}}"))
    assert same == {"m": {"name": "A", "x": 1, "y": 2, "g": {"name": "G", "u": 3}}}


def test_merging_alters_neither_side():
    base, change = {"a": {"x": 1}}, {"a": {"y": 2}}
    assert merge(base, change) == {"a": {"x": 1, "y": 2}}
    assert (base, change) == ({"a": {"x": 1}}, {"a": {"y": 2}})


def test_bases_are_found_beside_the_file_and_later_ones_win(write, monkeypatch, tmp_path):
    write("parts/one.yaml", "_base_: ../root.yaml\na: 1\nb: 1")
    write("parts/two.yaml", "b: 2\nlog_config: {visiual_interval: 1}")
    write("root.yaml", "r: 0\na: 0")
    path = write("a.yaml", "_base_: [parts/one.yaml, parts/two.yaml]\nlog_config: {visual_interval: 3}")
    monkeypatch.chdir("/")
    assert load(path) == {"r": 0, "a": 1, "b": 2, "log_config": {"visual_interval": 3}}


def test_overrides_come_after_everything(write):
    write("base.yaml", "a: {x: 1}\nmin_max: [0, 1]")
    path = write("a.yaml", "_base_: base.yaml\na: {x: 2}")
    assert load(path, ["a.x=3", "min_max=(-1., 1.)"]) == {"a": {"x": 3}, "min_max": [-1.0, 1.0]}


def test_many_bases_of_bases_are_read_once_each(write):
    for i in range(1, 30):
        write(f"{i}.yaml", f"_base_: [{i - 1}.yaml, {i - 1}.yaml]\nk{i}: {i}")
    write("0.yaml", "k0: 0")
    assert len(load(write("a.yaml", "_base_: 29.yaml"))) == 30


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            {"a.yaml": "_base_: b.yaml", "b.yaml": "_base_: a.yaml"},
            "cannot be its own base: a.yaml -> b.yaml -> a.yaml",
        ),
        ({"a.yaml": "_base_: a.yaml"}, "cannot be its own base: a.yaml -> a.yaml"),
        ({"a.yaml": "_base_: bse.yaml", "base.yaml": ""}, "a.yaml: _base_: there is no file .*bse.yaml; did you mean"),
        ({"a.yaml": "_base_: b.yaml", "b.yaml": "- 1"}, "b.yaml: expected a mapping such as .* got list"),
        ({"a.yaml": ""}, "a.yaml: expected a mapping .* got NoneType"),
        ({"a.yaml": "_base_: {b: 1}"}, "a.yaml: _base_: expected the name of a file, or a list of them"),
        ({"a.yaml": "_base_: [1]"}, r"_base_: expected the name of a file, or a list of them, got \[1\]"),
        ({"a.yml": "a: 1"}, "^there is no file .*a.yaml; did you mean 'a.yml'[?]$"),
    ],
)
def test_files_that_cannot_be_used_are_named(write, tmp_path, files, message):
    for name, text in files.items():
        write(name, text)
    with pytest.raises(ConfigError, match=message):
        load(tmp_path / "a.yaml")


def test_a_missing_folder_is_no_crash(tmp_path):
    with pytest.raises(ConfigError, match=r"^there is no file .*a\.yaml$"):
        load(tmp_path / "nowhere" / "a.yaml")
