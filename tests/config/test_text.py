"""YAML as people write it, and YAML as nobody should."""

import pytest

from ppvsr.config.yaml import MOST_BYTES, dump, parse, read
from ppvsr.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2e-4", 2e-4),
        ("!!float 2e-4", 2e-4),
        ("1E5", 1e5),
        ("-1.5e+3", -1500.0),
        (".5e1", 5.0),
        ("1.e3", 1000.0),
        ("1e-7", 1e-7),
        ("3", 3),
        ("0.", 0.0),
        ("e4", "e4"),
        ("2e", "2e"),
        ("'2e-4'", "2e-4"),
        ("0x10", 16),
        ("true", True),
        ("null", None),
        ("", None),
        ("{}", {}),
        ("[0., 2e-4]", [0.0, 2e-4]),
    ],
)
def test_numbers_are_read_as_people_write_them(text, value):
    found = parse(text, "text")
    assert found == value
    assert type(found) is type(value)


def test_what_is_dumped_is_read_as_the_same():
    tree = {
        "rate": 1e-7,
        "word": "2e-4",
        "yes": "on",
        "number": "12",
        "empty": None,
        "list": [1, 2.5, "x"],
        "nodes": [{"name": "A", "keys": [1]}],
        "文": "学习率",
        "none": [],
    }
    text = dump(tree)
    assert parse(text, "dump") == tree
    assert "list: [1, 2.5, x]" in text
    assert "学习率" in text


def test_repeated_parts_are_written_out():
    part = {"a": [1]}
    assert "&" not in dump({"x": part, "y": part})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: [1, 2", "^x.yaml, line 2, column 9: expected ',' or ']'"),
        ("a: 1\n b: 2", "^x.yaml, line 2, column 3: mapping values are not allowed here$"),
        ("a:\n\tb: 1", "line 2, column 1: found character '\\\\t'"),
        ("a: 1\nb: 2\na: 3", "^x.yaml, line 3, column 1: the key 'a' occurs twice in one mapping$"),
        ("- {b: 1, b: 2}", "line 1, column 10: the key 'b' occurs twice"),
        ("on: 1", "line 1, column 1: 'on' is no text, so it cannot be a key; put it in quotes"),
        ("1: 1", "'1' is no text"),
        ("[1]: 1", "line 1, column 1: this is no text"),
        ("a: !!python/object/apply:os.system [ls]", "line 1, column 4: could not determine a constructor"),
        ("a: 2024-02-35", "line 1, column 4: this value cannot be read"),
        ("a: !!int x", "line 1, column 4: this value cannot be read"),
        ("a: !!float x", "line 1, column 4: this value cannot be read"),
        ("a: *b", "line 1, column 4: found undefined alias"),
        ("a: &a [*a]", "line 1, column 4: an alias that contains itself"),
        ("a: 1\n---\nb: 2", "line 2, column 1: expected a single document in the stream, but found another"),
        ("a: \x00", "^x.yaml: .*special characters are not allowed"),
        ("[" * 5000, "^x.yaml, line 1, column 101: nested over 100 deep; this is no config"),
        ("- " * 5000, "nested over 100 deep"),
        ("k0: &k0 [1]\n" + "".join(f"k{i}: &k{i} [*k{i - 1}]\n" for i in range(1, 2000)), "nested over 100 deep"),
    ],
)
def test_what_is_wrong_is_one_line_with_its_place(text, message):
    with pytest.raises(ConfigError, match=message) as caught:
        parse(text, "x.yaml")
    assert "\n" not in str(caught.value)


def test_all_wrong_keys_are_named_at_once():
    with pytest.raises(ConfigError) as caught:
        parse("a: 1\na: 2\nb: {yes: 1}", "x.yaml")
    assert len(str(caught.value).splitlines()) == 2


def test_aliases_and_merge_keys_may_be_used():
    assert parse("a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\nc: *a", "text") == {
        "a": {"x": 1, "y": 2},
        "b": {"x": 1, "y": 3},
        "c": {"x": 1, "y": 2},
    }


@pytest.mark.parametrize("line", ["a{0}: &a{0} [*a{1}, *a{1}]\n", "a{0}: &a{0} {{<<: [*a{1}, *a{1}]}}\n"])
def test_aliases_of_aliases_do_not_blow_up(line):
    bomb = "a0: &a0 {x: 1}\n" + "".join(line.format(i, i - 1) for i in range(1, 40))
    with pytest.raises(ConfigError, match="more than 100,000 values; this is no config"):
        parse(bomb, "x.yaml")


def test_more_values_than_any_config_has_are_refused(monkeypatch):
    monkeypatch.setattr("ppvsr.config.yaml.MOST_VALUES", 2000)
    assert len(parse("[" + "1, " * 1998 + "1]", "x.yaml")) == 1999
    with pytest.raises(ConfigError, match=r"^x.yaml, line 1, column 5999: more than 2,000 values; this is no config$"):
        parse("[" + "1, " * 9000 + "1]", "x.yaml")


def test_a_large_file_is_refused_before_it_is_parsed(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_bytes(b"#" * (MOST_BYTES + 1))
    with pytest.raises(ConfigError, match=r"x\.yaml: larger than 1 MB"):
        read(path)


def test_a_file_in_another_encoding_is_named(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_bytes("a: 1\nb: 学习率\n".encode("gbk"))
    with pytest.raises(ConfigError, match=r"x\.yaml, line 2: this is not UTF-8 text; save the file as UTF-8"):
        read(path)
    path.write_bytes("a: 1  # 学习率\n".encode("utf-8-sig"))  # as Windows' editor saves it
    assert read(path) == {"a": 1}
