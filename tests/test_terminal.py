"""Whatever stands in a line or a table reaches the terminal as text."""

import sys

import pytest

from quantray.cli import main
from quantray.terminal import pass_on, show_table, tell

HOSTILE = (
    "ES[/z5]",
    "BRK[b]",
    "[red]A[/red]",
    "A\x1b[2J",
    "A\u202eB",
    "A\\",
    "A[",
    ":smile:",
    "[link=http://x]y[/link]",
)


def test_cells_are_shown_as_they_are(capsys):
    show_table(("name[/b]", "n"), [(name, "1") for name in HOSTILE], title="[/z5]", right=(1,))
    said = capsys.readouterr().out
    for name in (
        "name[/b]",
        "ES[/z5]",
        "BRK[b]",
        "[red]A[/red]",
        "A\\x1b[2J",
        "A\\u202eB",
        ":smile:",
        "[link=http://x]y",
    ):
        assert f" {name}" in said
    assert "\x1b" not in said


def test_a_line_stays_a_line_and_is_not_broken(capsys):
    tell("one [b] " + "long " * 100 + "\x1b[31m\rtwo\nthree http://u:p@h")
    said = capsys.readouterr().out
    assert said.count("\n") == 1
    assert said.startswith("one [b] long")
    assert said.endswith("\\x1b[31m\\rtwo\\nthree http://***@h\n")
    tell("to the other side", error=True)
    assert capsys.readouterr().err == "to the other side\n"


def test_what_others_wrote_keeps_its_lines_only(capsys):
    pass_on("a [b]\n\x1b[31mc")
    assert capsys.readouterr().out == "a [b]\n\\x1b[31mc"


def test_a_terminal_that_says_that_it_has_no_width_is_not_believed(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "0")
    tell("an error", error=True)
    show_table(("a",), [("cell",)])
    said = capsys.readouterr()
    assert said.err == "an error\n"
    assert "cell" in said.out


@pytest.mark.parametrize(
    ("stream", "arguments", "code"),
    [
        ("stdout", ["data", "formats"], 0),
        ("stdout", ["runs", "--runs", "none"], 1),
        ("stderr", ["run", "none.yaml"], 2),
    ],
)
def test_whoever_closes_a_stream_loses_what_is_said_there_and_nothing_else(
    monkeypatch, capsys, stream, arguments, code
):
    monkeypatch.setattr(sys, "argv", ["quantray", *arguments])
    monkeypatch.setattr(sys, stream, None)
    with pytest.raises(SystemExit) as ended:
        main()
    getattr(sys, stream).close()
    assert ended.value.code == code
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("error: none holds no run") == ("runs" in arguments)
