import numpy as np
from sweep_record import record_of

from quantray.studies.sweep.figures import by_regime, differences, growth, overfitting, stability, written


def test_pictures_carry_the_numbers():
    record = record_of(0.001)
    lines = growth(record, "Other").figure.data
    assert lines[0].name == "searched by regime"
    np.testing.assert_allclose(lines[0].y[-1], np.prod(1 + record.stream("Other", "conditional").returns), atol=1e-4)
    points = differences(record).figure.data[0]
    assert list(points.y) == ["Other", "One & two"]
    np.testing.assert_allclose(points.x[0], record.outcome("Other").over_unconditional.mean, atol=1e-3)
    cells = by_regime(record).figure.data
    assert cells[0].z.shape == (2, 3)
    assert cells[0].text[1][0] == f"{record.outcome('Other').sharpe['conditional'].mean:.2f}"
    assert overfitting(record).figure.data[0].text[0][0].endswith("%")
    table = stability(record).figure
    assert [trace.visible for trace in table.data] == [True, True] + [False] * 6
    assert len(table.layout.updatemenus[0].buttons) == 4


def test_parameters_are_written_in_short():
    assert written((("fast", 5), ("stop", None), ("width", 2.50))) == "fast 5, stop None, width 2.5"


def test_every_spell_is_a_bar_to_the_next_one():
    record = record_of(0.001)
    bars = [trace for trace in growth(record, "Other").figure.data if trace.type == "bar"]
    spells = np.flatnonzero(np.diff(record.labels, prepend=-2))
    assert sum(len(bar.x) for bar in bars) == (record.labels[spells] >= 0).sum()
    shown = {}
    for bar in bars:
        for first, width in zip(bar.x, bar.width, strict=True):
            days = np.datetime64(first) + np.arange(width // 86_400_000)
            shown |= dict.fromkeys(days.tolist(), bar.name)
    known = record.labels >= 0
    expected = [record.regimes[label] for label in record.labels[known]]
    assert [shown.get(day) for day in record.dates[known].tolist()] == expected
