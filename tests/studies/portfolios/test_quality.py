"""The section on data says what was read, flagged and done."""

import pytest
from planted_bars import scaled, sound

from quantray.data.quality.examining import examine
from quantray.data.quality.treatment import QualitySettings
from quantray.data.vendors.importing import read_bars
from quantray.studies.portfolios.quality import quality_section


@pytest.fixture
def reported(tmp_path):
    def reported(frame):
        frame[["date", "symbol", "open", "high", "low", "close", "volume"]].to_csv(tmp_path / "bars.csv", index=False)
        return examine(read_bars(tmp_path / "bars.csv"), QualitySettings(today="2020-07-15"))[1]

    return reported


def texts(section):
    return [part.text for part in section.parts if part.kind == "note"]


def tables(section):
    return [part for part in section.parts if part.kind == "table"]


def test_simulated_data_have_no_report():
    section = quality_section([])
    assert texts(section) == ["Simulated data: nothing to check."]
    assert not tables(section)


def test_sound_data(reported):
    section = quality_section([reported(sound())])
    assert texts(section)[-1] == "No check flagged anything."
    assert not tables(section)
    assert any(f"{len(sound()):,} rows read, {len(sound()):,} kept, for 5 symbols" in text for text in texts(section))


def test_what_was_flagged_stands_in_a_table(reported):
    report = reported(scaled(sound(), "S1", slice(20, 22), 10.0))
    section = quality_section([report])
    checks, worst = tables(section)
    assert [row[0].text for row in checks.groups[0].rows] == [f.check.replace("_", " ") for f in report.findings]
    assert worst.groups[0].rows[0] == ("S1", "reverting move: 2")
