from quantray.execution.settings import ExecutionSettings


def test_settings_become_the_terms_of_a_plan():
    terms = ExecutionSettings(participation=0.05, slices=4, urgency=2.0, dark=0.0).terms("XLON")
    assert (terms.participation, terms.slices, terms.urgency, terms.dark) == (0.05, 4, 2.0, 0.0)
    assert (terms.exchange, terms.when_late) == ("XLON", "stretch")
    refused = ExecutionSettings().terms(most_days=3)
    assert (refused.when_late, refused.most_days) == ("refuse", 3)
