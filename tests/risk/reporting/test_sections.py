import json

import pytest
from _books import simulated_book

from quantray.errors import InputError
from quantray.risk.report import assess
from quantray.risk.reporting.sections import RiskReport


@pytest.fixture(scope="module")
def content():
    book = simulated_book(12, 3, 120)
    return json.loads(assess(book.holdings, book.market, book.model, book.limits).to_json())


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"layout": 2}, "layout"),
        ({"nav": "1e9"}, "nav"),
        ({"nav": None}, "nav"),
        ({"verdict": "fine"}, "verdict"),
        ({"limits": [{"name": "gross"}]}, "limits.0"),
    ],
)
def test_json_of_another_shape_is_refused(content, change, told):
    with pytest.raises(InputError, match=f"no risk report of this version: {told}"):
        RiskReport.from_json(json.dumps(content | change))


@pytest.mark.parametrize("text", ["", "[]", "{", "null", '{"layout": 1}'])
def test_what_is_no_report_is_refused(text):
    with pytest.raises(InputError, match="no risk report"):
        RiskReport.from_json(text)


def test_columns_of_different_lengths_are_refused(content):
    positions = content["positions"] | {"names": content["positions"]["names"][:-1]}
    with pytest.raises(InputError, match="different lengths"):
        RiskReport.from_json(json.dumps(content | {"positions": positions}))


def test_an_unknown_estimate_names_those_there_are(content):
    report = RiskReport.model_validate_json(json.dumps(content))
    with pytest.raises(InputError, match=r"holds no oracle at 0\.9, but history at averaged volatility at 0\.95"):
        report.market.estimate(0.9, "oracle")


def test_reports_are_frozen(content):
    report = RiskReport.model_validate_json(json.dumps(content))
    with pytest.raises(ValueError, match="frozen"):
        report.nav = 1.0
