import pandas as pd
import pyarrow as pa

from quantray.data.blocks import in_blocks
from quantray.data.rows import SCHEMA, by_year, table_of, with_stored_fields, within


def bars(*rows, **more):
    frame = pd.DataFrame(rows, columns=["date", "symbol", "close"])
    return frame.assign(date=pd.to_datetime(frame["date"]), **more)


def test_years_hold_their_rows_by_date_and_symbol():
    mixed = bars(("2021-01-04", "B", 4.0), ("2020-12-31", "A", 1.0), ("2021-01-04", "A", 3.0), ("2020-12-31", "B", 2.0))
    made = dict(by_year(in_blocks(mixed)))
    assert list(made) == ["2020", "2021"]
    assert [made[year]["close"].to_pylist() for year in made] == [[1.0, 2.0], [3.0, 4.0]]
    assert all(table.schema.equals(SCHEMA) for table in made.values())
    assert made["2020"]["open"].null_count == made["2020"]["ticker"].null_count == 2


def test_columns_are_chosen_and_what_is_absent_is_unknown():
    found = table_of(bars(("2020-01-02", "A", 1.0)), ["close", "volume"])
    assert found.to_pylist() == [{"close": 1.0, "volume": None}]
    assert found.schema.field("volume").type == pa.float64()


def test_a_file_without_a_field_keeps_the_stored_one_but_not_events():
    old = bars(("2020-01-02", "A", 1.0), ("2020-01-03", "A", 2.0), volume=[7.0, 8.0], dividend=[0.5, 0.0])
    new = bars(("2020-01-03", "A", 2.5), ("2020-01-06", "A", 3.0))
    made = with_stored_fields(new, old)
    assert made["volume"].fillna(-1).tolist() == [8.0, -1]
    assert "dividend" not in made


def test_ends_are_inside_and_may_be_open():
    days = pd.Series(pd.to_datetime(["2020-01-01", "2020-01-02", "2020-01-03"]))
    second = pd.Timestamp("2020-01-02").to_datetime64()
    assert within(days, second, second).tolist() == [False, True, False]
    assert within(days, None, second).tolist() == [True, True, False]
    assert within(days, None, None).all()
