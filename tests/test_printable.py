"""Secrets are masked, and nothing that is shown steers what shows it."""

import time

import pytest

from quantray.printable import csv_text, is_masked, masked, masked_content, printable


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("http://user:password@host/x", "http://***@host/x"),
        ("see https://token@host and s3://bucket/a@b", "see https://***@host and s3://bucket/a@b"),
        ("postgresql+psycopg2://u:p/w#1@db:5432/x", "postgresql+psycopg2://***@db:5432/x"),
        ("http://host:8080/a@b", "http://host:8080/a@b"),
        ("http://h/x?a=1&access_token=abc&b=2", "http://h/x?a=1&access_token=***&b=2"),
        ("abfss://c@a.net/x?sv=1&sig=a%2Bb", "abfss://***@a.net/x?sv=1&sig=***"),
        ("AWS_SECRET_ACCESS_KEY=abc, region=x", "AWS_SECRET_ACCESS_KEY=***, region=x"),
        ("Authorization: Bearer abc.def-123", "Authorization: Bearer ***"),
        ("n_tokens=4 design=3 bypass=1", "n_tokens=4 design=3 bypass=1"),
    ],
)
def test_secrets_are_masked_once_and_for_all(text, left):
    assert masked(text) == left
    assert masked(left) == left


def test_settings_are_masked_by_the_names_of_their_keys_too():
    content = {
        "uri": "http://u:p@h",
        "token": "t",
        "auth": "token",
        "options": [{"aws_secret_access_key": "k"}],
        "n": 3,
    }
    shown = {
        "uri": "http://***@h",
        "token": "***",
        "auth": "token",
        "options": [{"aws_secret_access_key": "***"}],
        "n": 3,
    }
    assert masked_content(content) == shown
    assert [is_masked(text) for text in ("http://***@h", "?sig=***&x=1", "***", "a *** b", "http://h")] == [
        True, True, True, False, False,
    ]  # fmt: skip


def test_what_steers_a_terminal_is_shown():
    assert printable("ES[/z5]\x1b[31m\u202e\udc80\n\r\x9b") == "ES[/z5]\\x1b[31m\\u202e\\udc80\\n\\r\\x9b"
    assert printable("a\n\tb", keep="\n") == "a\n\\tb"
    assert printable("Märkte 日本 – 5 %") == "Märkte 日本 – 5 %"


@pytest.mark.parametrize("text", ["=cmd()", "+1", "-1", "@SUM(A1)", "＝1+1"])
def test_no_spreadsheet_takes_a_text_for_a_formula(text):
    assert csv_text(text) == f"'{text}"


def test_text_that_is_no_formula_stays():
    assert csv_text("BRK-B") == "BRK-B"
    assert csv_text("\tA") == "\\tA"


def test_masking_takes_no_longer_for_crafted_text():
    start = time.perf_counter()
    for text in ("http://" * 20_000, "http://" + "a:" * 50_000, "token=" * 20_000, "-." * 50_000 + "token="):
        masked(text)
    assert time.perf_counter() - start < 5
