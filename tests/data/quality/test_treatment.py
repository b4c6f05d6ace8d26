import pandas as pd
import pytest
import yaml
from planted_bars import DAYS, PLANTED, put, scaled, sound
from pydantic import ValidationError

from quantray.data import blocks
from quantray.data.quality.checks import CHECKS
from quantray.data.quality.treatment import QualitySettings, clean
from quantray.errors import DataError


@pytest.mark.parametrize("name", sorted(PLANTED))
def test_a_division_into_blocks_changes_nothing(name, monkeypatch):
    frame = pd.concat([PLANTED[name](), scaled(sound(8, seed=1), "S6", slice(30, None), 0.5)[-2 * len(DAYS) :]])
    gentle = {check.name: "drop_row" if "drop_row" in check.allowed else "drop_asset" for check in CHECKS}
    gentle |= {check.name: check.treatment for check in CHECKS if check.treatment != "refuse"} | {"not_daily": "keep"}
    chosen = QualitySettings(treatments=gentle, today="2020-07-15")
    whole = clean(frame, chosen)
    monkeypatch.setattr(blocks, "_ROWS", 100)
    divided = clean(frame, chosen)
    pd.testing.assert_frame_equal(whole[0], divided[0])
    assert whole[1] == divided[1]


def test_sound_bars_stay_as_they_are():
    frame = sound()
    treated, findings = clean(frame)
    assert findings == ()
    pd.testing.assert_frame_equal(treated, frame)


def test_the_input_is_never_changed():
    frame = scaled(put(sound(), "S1", slice(3, 5), open=0.0, high=1.0), "S2", slice(30, None), 0.5)
    before = frame.copy(deep=True)
    clean(frame)
    pd.testing.assert_frame_equal(frame, before)


def test_rows_in_any_order_give_the_same_bars_and_findings():
    frame = scaled(put(sound(), "S1", slice(3, 5), open=0.0), "S2", slice(30, None), 0.5)
    one, other = clean(frame), clean(frame.sample(frac=1, random_state=1))
    pd.testing.assert_frame_equal(one[0], other[0])
    assert one[1] == other[1]


def test_yaml_overrides_thresholds_and_treatments():
    text = "{treatments: {extreme_move: drop_cell}, extreme: 0.3, jump: 0.6, stale_days: 5}"
    chosen = QualitySettings(**yaml.safe_load(text))
    _, findings = clean(scaled(sound(), "S1", slice(30, None), 1.4), chosen)
    assert [(f.check, f.treatment, f.n_flagged) for f in findings] == [("extreme_move", "drop_cell", 1)]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"treatments": {"typo": "keep"}}, "'typo' is no check; the checks are missing_symbol"),
        ({"treatments": {"gap": "drop_row"}}, "gap allows keep, refuse, not 'drop_row'"),
        ({"treatments": {"gap": "burn"}}, "Input should be 'keep', 'repair'"),
        ({"thin_share": 1.5}, "less than 1"),
        ({"stale_days": 1}, "greater than or equal to 2"),
        ({"stale": 3}, "Extra inputs are not permitted"),
    ],
    ids=["check", "treatment of the check", "treatment", "share", "days", "key"],
)
def test_settings_that_make_no_sense(change, text):
    with pytest.raises(ValidationError, match=text):
        QualitySettings(**change)


def parted(frame):
    """The last five days, and the others as their context."""
    late = frame["date"] >= pd.Timestamp(DAYS[-5])
    return {"bars": frame[late], "context": frame[~late]}


def test_context_is_neither_reported_nor_returned():
    frame = put(put(sound(), "S1", slice(10, 11), open=0.0), "S1", slice(-2, -1), open=0.0)
    treated, findings = clean(**parted(frame))
    assert treated["date"].min() == pd.Timestamp(DAYS[-5])
    assert len(treated) == 25
    assert [(f.check, f.n_flagged) for f in findings] == [("non_positive_price", 1)]
    # A jump on the first new day is seen against the last old one.
    _, findings = clean(**parted(scaled(sound(), "S1", slice(-5, None), 0.5)))
    assert [f.check for f in findings] == ["unadjusted_event"]


def test_runs_and_moves_are_seen_across_the_border_of_the_context():
    """What began in the context and goes on in the new bars is what it is in one piece."""
    flat = {"open": 50.0, "high": 50.0, "low": 50.0, "close": 50.0}
    _, findings = clean(**parted(put(sound(), "S1", slice(-12, None), **flat)))
    assert [(f.check, f.n_flagged) for f in findings] == [("stale_price", 3)]
    # Of a print that began in the context, the new days are blanked.
    treated, findings = clean(**parted(scaled(sound(), "S1", slice(-7, -3), 10.0)))
    assert (findings[0].check, findings[0].n_flagged) == ("reverting_move", 2)
    assert treated.loc[treated["close"].isna(), "date"].tolist() == list(pd.DatetimeIndex(DAYS[-5:-3]))


def test_nothing_left_is_an_error():
    with pytest.raises(DataError, match="no bar is left after the quality checks"):
        clean(put(sound(1), "S0", slice(None), close=-1.0))


def test_only_closes_are_enough():
    frame = sound()[["date", "symbol", "close", "dividend", "split"]]
    treated, findings = clean(frame)
    assert findings == ()
    pd.testing.assert_frame_equal(treated, frame)
