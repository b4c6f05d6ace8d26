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
