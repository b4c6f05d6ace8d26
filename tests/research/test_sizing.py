from quantray.research.sizing import last_days


def test_the_last_days_of_a_panel(make_panel):
    panel = make_panel([[float(day)] for day in range(10)])
    assert last_days(panel, 3).field("close")[:, 0].tolist() == [7.0, 8.0, 9.0]
    assert last_days(panel, 2.6).dates.tolist() == panel.dates[-3:].tolist()
    assert len(last_days(panel, 99).dates) == 10
