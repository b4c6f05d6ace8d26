"""Files that people hand in: plain YAML once, ordinary files, everything else one line."""

import os
import re
from datetime import date

import pytest
import yaml
from hostile_yaml import TEXTS

from quantray import inputs
from quantray.errors import DataError, InputError
from quantray.inputs import ordinary_file, parse_yaml, read_yaml


def test_plain_yaml_is_read_and_nothing_of_it_is_shared():
    content = parse_yaml("base: &b {day: 2024-01-02, n: [1, 2.5, null, 'é']}\nother: {<<: *b, n: 3}\nmore: *b", "here")
    assert content["base"] == {"day": date(2024, 1, 2), "n": [1, 2.5, None, "é"]}
    assert content["other"] == {"day": date(2024, 1, 2), "n": 3}
    content["more"]["n"][0] = 9
    assert content["base"]["n"][0] == 1


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("a: {x: &b {k: 1}}\nc: {<<: *b, k: 2}", {"a": {"x": {"k": 1}}, "c": {"k": 2}}),
        ("{a: &a {x: 1, y: 1}, b: {z: 1, <<: [{x: 2}, *a]}}", {"a": {"x": 1, "y": 1}, "b": {"x": 2, "y": 1, "z": 1}}),
        (
            "{base: &a {x: 1}, outer: {b: &b {<<: *a, x: 2}}, c: {<<: *b}}",
            {"base": {"x": 1}, "outer": {"b": {"x": 2}}, "c": {"x": 2}},
        ),
        ('{"<<": 1, 1: a, "1": b}', {"<<": 1, 1: "a", "1": "b"}),
    ],
)
def test_mappings_are_merged_as_the_standard_has_it(text, held):
    """Own keys before those of others, and of these the first."""
    assert parse_yaml(text, "here") == yaml.safe_load(text) == held


def test_merges_of_merges_take_no_time():
    """Seven levels of them took longer than anybody waited for; what they say is small."""
    levels = "\n".join(f"a{i}: &a{i} {{<<: [{','.join([f'*a{i - 1}'] * 9)}]}}" for i in range(1, 40))
    assert parse_yaml("a0: &a0 {x: 1}\n" + levels, "here")["a39"] == {"x": 1}


@pytest.mark.parametrize(("text", "told"), TEXTS)
def test_hostile_yaml_is_refused_in_a_line(text, told):
    with pytest.raises(InputError, match=re.escape(told)) as refused:
        parse_yaml(text, "here")
    assert str(refused.value).startswith("here")
    assert str(refused.value).isprintable()


def test_what_holds_too_much_is_not_read_to_its_end(monkeypatch):
    monkeypatch.setattr(inputs, "_MOST_VALUES", 1000)
    with pytest.raises(InputError, match="it holds more than 1,000 values"):
        parse_yaml("a: [" + "x," * 2000, "here")


def test_bytes_that_are_no_text_are_refused(tmp_path):
    (tmp_path / "a.yaml").write_bytes(b"name: \xff\xfe")
    with pytest.raises(InputError, match="is not UTF-8: byte 6"):
        read_yaml(tmp_path / "a.yaml", "settings file")
    (tmp_path / "b.yaml").write_bytes(b"#" * (5 << 20))
    with pytest.raises(InputError, match="has 5,242,880 bytes"):
        read_yaml(tmp_path / "b.yaml", "settings file")


def test_only_ordinary_files_are_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "file").touch()
    for place, told in (
        (tmp_path / "pipe", "is a pipe or a device; give text"),
        ("/dev/zero", "is a pipe or a device; give text"),
        (tmp_path, "is a folder; give text"),
        (tmp_path / "none", "does not exist; give text"),
        (tmp_path / "file" / "below", "does not exist; give text"),
        (tmp_path / "loop", "cannot be read: Too many levels"),
        (tmp_path / ("x" * 300), "cannot be read: File name too long"),
        ("a\0b", "cannot be read: embedded null byte"),
    ):
        with pytest.raises(DataError, match=f"^table .*{told}"):
            ordinary_file(place, "table", remedy="give text", error=DataError)
    assert ordinary_file(tmp_path / "file", "table") == tmp_path / "file"


def test_what_may_not_be_read_is_named(tmp_path, monkeypatch):
    (tmp_path / "a.yaml").write_text("a: 1")

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("quantray.inputs.open_file", refuse)
    with pytest.raises(InputError, match=r"settings file .*a.yaml cannot be read: Permission denied"):
        read_yaml(tmp_path / "a.yaml", "settings file")
