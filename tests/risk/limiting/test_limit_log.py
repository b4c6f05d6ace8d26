import numpy as np
import pytest
from model_book import model_book

from quantray.errors import DataError, InputError
from quantray.risk.limiting.limit_levels import LevelChange
from quantray.risk.limiting.limit_log import log_breaches, log_changes, read_log
from quantray.risk.limits import Limit, check
from quantray.risk.monitor import Monitor

RULES = [
    Limit(name="gross", metric="gross", scope="book", soft=0.5, hard=0.9),
    Limit(name="net", metric="net", scope="book", soft=5, hard=9),
]


def test_breaches_and_changes_are_logged_in_order(tmp_path):
    path, book = tmp_path / "limits.jsonl", model_book()
    log_breaches(path, "2020-03-02", check(RULES, book))
    log_changes(path, [LevelChange("2020-03-03", "gross", 0.9, 0.8, "volatility is high: 90%")])
    log_breaches(path, "2020-03-03", Monitor(book, book.names, book.adv, RULES).alerts)
    first, moved, alert = read_log(path)
    assert (first["day"], first["what"], first["name"], first["state"]) == ("2020-03-02", "breach", "gross", "hard")
    assert (moved["what"], moved["why"]) == ("level", "volatility is high: 90%")
    assert (alert["what"], alert["tick"], alert["level"]) == ("breach", 0, 0.9)


def test_a_changed_log_is_not_read(tmp_path):
    path = tmp_path / "limits.jsonl"
    log_breaches(path, "2020-03-02", check(RULES, model_book()))
    path.write_bytes(path.read_bytes().replace(b'"gross"', b'"grass"'))
    with pytest.raises(DataError, match="line 1 of .* is not what was written"):
        read_log(path)


def test_a_day_that_is_none_is_refused(tmp_path):
    with pytest.raises(InputError, match="is not a date"):
        log_breaches(tmp_path / "limits.jsonl", "soon", [])


def test_what_cannot_be_counted_is_logged_as_that(tmp_path):
    path, days = tmp_path / "limits.jsonl", Limit(name="d", metric="liquidity days", scope="name S0000", soft=5, hard=9)
    log_breaches(path, "2020-03-02", check([days], model_book(adv=np.full(40, np.nan))))
    (entry,) = read_log(path)
    assert (entry["what"], entry["state"], entry["value"]) == ("unknown", "unknown", None)
