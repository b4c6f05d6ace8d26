"""Fields of messages, and how FIX writes times."""

import pytest

from quantray.oms.fixing.fields import iso_time, read_message

SOH = "\x01"


def test_data_may_hold_the_end_of_a_field():
    text = SOH.join(("35=8", "354=5", "355=a=b\x01c", "58=x", ""))
    assert read_message(text) == [(35, "8"), (354, "5"), (355, "a=b\x01c"), (58, "x")]


def test_data_is_as_long_as_its_bytes():
    text = SOH.join(("95=3", "96=é\x01", "58=ü", ""))
    assert read_message(text) == [(95, "3"), (96, "é\x01"), (58, "ü")]


def test_what_is_no_utf_8_is_read_nevertheless():
    text = b"58=caf\xe9\x01".decode("utf-8", "surrogateescape")
    assert read_message(text) == [(58, "café")]


@pytest.mark.parametrize(
    ("said", "iso"),
    [
        ("20240328-13:30:00", "2024-03-28T13:30:00.000Z"),
        ("20240328-13:30:00.1", "2024-03-28T13:30:00.100Z"),
        ("20240328-13:30:00.123", "2024-03-28T13:30:00.123Z"),
        ("20240328-13:30:00.123456", "2024-03-28T13:30:00.123Z"),
    ],
)
def test_times_are_in_milliseconds(said, iso):
    assert iso_time(said) == iso
