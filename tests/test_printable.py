"""Secrets are masked, and nothing that is shown steers what shows it."""

import time

import pytest

from quantray.printable import (
    csv_text,
    each_text,
    is_masked,
    masked,
    masked_addresses,
    masked_change,
    masked_content,
    masked_uri,
    printable,
)


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
        ("'http://me:it's-a-secret@127.0.0.1:1/' is no address", "'http://***@127.0.0.1:1/' is no address"),
        ('see http://me:a"b<c d@h:9/x of me', "see http://***@h:9/x of me"),
        (f"http://me:{'long' * 500}@h/", "http://***@h/"),
        ("s3://key:a@one, s3://key:b@two", "s3://***@one, s3://***@two"),
        ("at http://h:80, http://[::1]:80: ask me@h", "at http://h:80, http://[::1]:80: ask me@h"),
        ("password=abc,def", "password=***"),
        ("(password='a b', user=c)", "(password=***, user=c)"),
        ("PGPASSWORD=abc accessToken=d'ef. tokens=ghi", "PGPASSWORD=*** accessToken=***. tokens=***"),
        ("bars of TOKEN=A, SIG=F", "bars of TOKEN=A, SIG=F"),
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


@pytest.mark.parametrize("password", ["it's", 'a"b', "a<b", "a b", "a, b@c", "a/b#c", "a://b", "x" * 600, "12345'6"])
def test_a_password_is_masked_whatever_it_holds(password):
    uri = f"http://me:{password}@h:5/x"
    assert masked_uri(uri) == masked_content(uri) == masked_uri(masked_uri(uri)) == "http://***@h:5/x"
    assert masked_change(f"tracking.uri={uri}") == "tracking.uri=http://***@h:5/x"


@pytest.mark.parametrize(
    "name",
    ["password", "db_password", "PGPASSWORD", "accessToken", "authToken", "authtoken", "apiKey", "tokens", "sig"],
)
def test_whatever_stands_under_the_name_of_a_secret_is_masked(name):
    for value in ("text", "a b", 7.5, ["one", "two"], {"value": "text", "n": "x"}):
        assert "text" not in str(masked_content({name: value}))
        assert "two" not in str(masked_content({name: value}))
    assert masked_change(f"a.{name}=a b") == f"a.{name}=***"
    assert masked_content({name: True, "other": None}) == {name: True, "other": None}


def test_counts_and_symbols_are_no_secrets():
    content = {"tokens": 4096, "max_tokens": 5, "symbols": ["TOKEN=ABC", "SIG=F"], "tokenizer": "words", "design": 3}
    assert masked_content(content) == content
    assert masked_content({"password": 12345}) == {"password": "***"}
    assert csv_text("TOKEN=ABC") == printable("TOKEN=ABC") == "TOKEN=ABC"


def test_the_texts_of_nested_content_are_changed_and_nothing_else():
    content = {"http://u:p@h": ["http://u:p@h", 1, None, ("TOKEN=A",)], "as is": "http://u:p@h"}
    left = {"http://u:p@h": ["http://***@h", 1, None, ["TOKEN=A"]], "as is": "http://u:p@h"}
    assert each_text(content, masked_addresses, but=("as is",)) == left


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
    for text in (
        "http://" * 20_000,
        "http://" + "a:" * 50_000,
        "token=" * 20_000,
        "-." * 50_000 + "token=",
        "a://x:y@" * 40_000,
    ):
        masked(text)
        masked_uri(text)
    assert time.perf_counter() - start < 30
