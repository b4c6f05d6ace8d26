"""``quantray trade`` from settings to tables, and the program that does the same."""

import json

import pyarrow.parquet as pq
from command_line import quantray


def test_a_day_is_led_and_written_down(tmp_path):
    config = tmp_path / "day.yaml"
    config.write_text(
        "firm: {pms: 2, accounts: 2, strategies: 3, capital: 100000000}\n"
        "market: {kind: simulated, names: 12}\nminutes: 30\nwindow: 40\nworlds: here\n"
    )
    done = quantray("trade", config, "--folder", "day", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "2 managers, 4 accounts, 6 strategies, 12 names, 13 bars" in done.stdout
    summary = json.loads((tmp_path / "day" / "summary.json").read_text())
    assert summary["breaches"] == 0
    shares = pq.read_table(tmp_path / "day" / "shares.parquet").to_pandas()
    blocks = pq.read_table(tmp_path / "day" / "blocks.parquet").to_pandas()
    assert shares.groupby("block")["shares"].sum().sum() == blocks["filled"].sum() > 0
    profit = pq.read_table(tmp_path / "day" / "profit.parquet").to_pandas()
    assert abs(profit[profit["of"] == "manager"]["money"].sum() - summary["earned"]) < 1e-6
    page = (tmp_path / "day" / "report.html").read_text()
    assert "Synthetic Capital, a trading day" in page
    assert "pm002" in page
    # A folder is one day's.
    again = quantray("trade", config, "--folder", "day", cwd=tmp_path)
    assert again.returncode == 2
    assert "give a day a folder of its own" in again.stderr
