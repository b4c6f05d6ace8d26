import pytest

from quantray.studies.institutional.findings import find_institutional
from quantray.studies.institutional.record import VARIANTS


@pytest.fixture(scope="module")
def findings(study):
    return find_institutional(*study)


def test_metrics_of_every_variant_at_every_size(findings, study):
    _, record = study
    assert list(findings.metrics) == [f"{v.name} at {size}" for size in ("10M", "1B") for v in VARIANTS]
    one = findings.metrics["Without execution at 1B"]
    assert one["all_over_low"] <= one["all_over"] <= one["all_over_high"]
    whole = findings.metrics["All phases at 1B"]
    assert "all_over" not in whole
    assert one["all_over"] == pytest.approx(whole["sharpe"] - one["sharpe"])
    assert findings.digest == record.digest


def test_what_is_kept(findings, study):
    _, record = study
    streams = findings.tables["streams"]
    assert streams.num_rows == len(record.dates)
    net = streams["All phases at 1B, net"].to_numpy()
    assert net.tolist() == record.replays["All phases", 1e9].net.tolist()
    candidates = findings.tables["candidates"].to_pylist()
    assert sum(each["chosen"] for each in candidates) == len(record.choices)
    assert {each["phase"] for each in candidates} == {"regimes", "weights", "risk", "execution"}
    assert findings.tables["searches"].num_rows == sum(len(each.runs) for each in record.parameters)
    assert findings.tables["shares"].column_names == ["date", *record.strategies]
