import pandas as pd
import pytest
from planted_bars import PLANTED, treat

from quantray.data.quality.checks import CHECKS
from quantray.errors import DataError


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_every_check_may_refuse_and_names_an_example(check):
    assert "refuse" in check.allowed
    with pytest.raises(DataError, match=rf"rows fail {check.name}, such as S?\d* ?2020-"):
        treat(PLANTED[check.name](), **{check.name: "refuse"})


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_what_is_kept_is_not_changed(check):
    keep = {c.name: "keep" for c in CHECKS if "keep" in c.allowed}
    frame = PLANTED[check.name]()
    refused = {c.name: "drop_row" for c in CHECKS if c.name != check.name and c.name == "conflicting_rows"}
    if "keep" not in check.allowed:
        keep[check.name] = next(treatment for treatment in check.allowed if treatment != "refuse")
    treated, found = treat(frame, **(refused | keep))
    assert found[check.name].n_flagged > 0
    if "keep" in check.allowed:
        assert found[check.name].n_changed == 0
        ordered = frame.sort_values(["symbol", "date"], ignore_index=True)
        pd.testing.assert_frame_equal(treated, ordered)


def test_every_allowed_treatment_works_and_says_what_it_did():
    for check in CHECKS:
        frame = PLANTED[check.name]()
        for treatment in set(check.allowed) - {"refuse", "keep"}:
            keep = {c.name: "keep" for c in CHECKS if "keep" in c.allowed}
            treated, found = treat(frame, **(keep | {check.name: treatment}))
            assert found[check.name].treatment == treatment
            assert found[check.name].n_changed > 0
            if treatment in {"drop_row", "drop_asset"}:
                assert len(frame) - len(treated) >= found[check.name].n_changed
