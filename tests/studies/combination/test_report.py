"""The report says what the numbers say."""

import math

import numpy as np
import pytest

from quantray.research.market import MarketData, SimulatedData
from quantray.studies.combination.record import BEST, EQUAL, MIX, Account, Netting
from quantray.studies.combination.report import (
    CombinationReportInput,
    account_metrics,
    combination_page,
    netting_summary,
    verdict,
)


def content_of(record, panel):
    """What the report shows of a record on a panel."""
    return CombinationReportInput(
        title="A mix",
        meta="900 members",
        lookback_days=252,
        method="risk parity",
        lag=1,
        costs="5 bp of the money traded",
        record=record,
        data=MarketData(SimulatedData(), panel, "nowhere", {}, ()),
    )


@pytest.mark.parametrize(
    ("gain", "text"),
    [
        (0.002, "Sharing capital by rule helped"),
        (0.0, "There is no evidence that sharing capital by rule helped"),
        (-0.002, "Sharing capital by rule hurt"),
    ],
)
def test_the_verdict_follows_the_interval(record_of, gain, text):
    record = record_of(gain)
    assert verdict(record).startswith(text)
    assert f"{record.outcome(MIX).sharpe.mean:.2f}" in verdict(record)


def test_a_mix_that_holds_nothing_is_said_to(record_of):
    assert "held nothing" in verdict(record_of(flat=True))


def test_netting_by_hand():
    """Half the trades cancel: 4 rebalances in one year that moved 0.3 each, 0.1 in one book, at 5 bp."""
    ones = np.ones(4)
    measures = Netting(
        exposure_gross=0.8 * ones,
        exposure_net=0.4 * ones,
        moved_gross=0.3 * ones,
        moved_net=0.1 * ones,
        moving_cost_gross=5e-4 * 0.3 * ones,
        moving_cost_net=5e-4 * 0.1 * ones,
        traded_gross=0.2 * ones,
        traded_net=0.1 * ones,
        effective_names=ones,
    )
    turnover = np.full(252, 0.01)
    account = Account(MIX, np.zeros(252), turnover, 5e-4 * 2 * turnover, np.ones((4, 1)), measures)

    class Year:
        years = 1.0

    found = netting_summary(Year, account)
    assert found["exposure_before"] == pytest.approx(0.8)
    assert found["exposure_after"] == pytest.approx(0.4)
    assert found["moving_cost_before"] == pytest.approx(5e-4 * 1.2)
    assert found["moving_cost_after"] == pytest.approx(5e-4 * 0.4)
    assert found["moving_saving"] == pytest.approx(5e-4 * 0.8)
    # One-way turnover of 2.52 is 5.04 traded; 0.4 of it moved capital.
    assert found["own_cost"] == pytest.approx(5e-4 * (5.04 - 0.4))
    assert found["own_trades_cancelled"] == pytest.approx(0.5)
    assert found["own_saving_estimate"] == pytest.approx(0.5 * found["own_cost"])


def test_metrics_of_an_account(record_of):
    record = record_of(0.001)
    metrics = account_metrics(record, record.account(EQUAL))
    assert metrics["annual_turnover"] == pytest.approx(2.52)
    assert metrics["annual_cost"] == pytest.approx(2.52 * 1e-3)
    assert metrics["mean_effective_names"] == 25
    assert metrics["mean_invested"] == pytest.approx(0.9)
    assert metrics["mix_over_low"] < metrics["mix_over"] < metrics["mix_over_high"]
    assert metrics["deflated_hurdle"] > 0
    assert math.isnan(account_metrics(record_of(flat=True), record_of(flat=True).account(MIX))["sharpe"])


def test_the_page(record_of, make_panel):
    record, close = record_of(), np.full((600, 4), 8.0)
    page = combination_page(content_of(record, make_panel(close))).html(("digest abc",), {"method": "risk_parity"})
    assert verdict(record) in page
    assert "holds survivors" in page
    assert "revert &lt;1&gt;" in page
    assert "correlation 0.812 with trend: fast 5" in page
    assert BEST in page
    assert "digest abc" in page
    close[300:, 0] = np.nan
    assert "holds survivors" not in combination_page(content_of(record, make_panel(close))).html((), {})
