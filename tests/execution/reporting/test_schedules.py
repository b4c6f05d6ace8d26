import io
import json

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from small_trades import SHARES, hindsighted, schedule

from quantray.execution.orders import ExecutionSchedule
from quantray.execution.reporting.schedules import schedule_files


def test_numbers_of_a_schedule_are_those_of_its_orders():
    one = schedule()
    parents = one.orders.parents
    assert one.value == pytest.approx(np.abs(SHARES) @ [50, 20, 80, 10, 5])
    assert one.cost_bps == pytest.approx(1e4 * parents["expected_cost"].to_numpy().sum() / one.value)
    assert one.days == 2
    assert one.children_of.sum() == one.orders.children.num_rows
    assert one.children_of[-1] == 1


def test_files_hold_the_same_orders_of_all_portfolios():
    both = [schedule(), schedule(SHARES // 2, name="Equal weight")]
    files = schedule_files(both)
    for name in ("parents", "children"):
        parquet = pd.read_parquet(io.BytesIO(files[f"{name}.parquet"]))
        written = pd.read_csv(io.BytesIO(files[f"{name}.csv"]))
        assert parquet.columns.tolist() == written.columns.tolist()
        assert parquet["portfolio"].unique().tolist() == ["HRP", "Equal weight"]
        assert (parquet["shares"] == written["shares"]).all()
    said = json.loads(files["schedule.json"])
    orders = [ExecutionSchedule.from_json(json.dumps(each)) for each in said["HRP"]["orders"]]
    assert [each.parent.quantity for each in orders] == np.abs(SHARES[:4]).tolist()
    assert said["HRP"]["at_the_close"] == [{"parent": "2024-03-15-DARK", "symbol": "DARK", "shares": 300, "price": 5.0}]
    assert said["Equal weight"]["notes"] == ["1 order goes to the close"]


def test_hindsight_is_a_table_where_it_is_known():
    assert "hindsight.csv" not in schedule_files([schedule()])
    files = schedule_files([hindsighted()])
    table = pd.read_parquet(io.BytesIO(files["hindsight.parquet"]))
    assert table["symbol"].tolist() == ["CALM", "USUAL", "LARGE", "WILD"]
    parts = table[["explicit", "delay", "execution", "missed"]].sum(axis=1)
    assert_allclose(parts, table["total"])
    assert_allclose(table["total_bps"], 1e4 * table["total"] / (table["ordered"].abs() * table["decision"]))
