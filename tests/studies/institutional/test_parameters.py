import numpy as np
import pytest

from quantray.strategies.catalogue import CATALOGUE
from quantray.studies.institutional.parameters import ParameterChoice, Searched, SearchRun, held_sets
from quantray.studies.institutional.parts import RulePart

FAMILIES = (RulePart(CATALOGUE["rsi_14"]), RulePart(CATALOGUE["tail_hedge"]))


def test_a_label_is_the_index_of_its_set():
    best = {("rsi_14", -1): "whole", ("rsi_14", 1): "wild", ("tail_hedge", -1): "hedge"}
    held = held_sets(Searched(best, ()), FAMILIES, 2)
    # The calm regime had too few days, and takes what was chosen on all.
    assert held[0] == (("rsi_14", "whole"), ("rsi_14", "wild"), ("rsi_14", "whole"))
    assert [held[0][label][1] for label in (0, 1, -1)] == ["whole", "wild", "whole"]
    assert held_sets(Searched(best, ()), FAMILIES, 0)[1] == (("tail_hedge", "hedge"),)
    assert held_sets(None, FAMILIES, 1)[0] == (("rsi_14", FAMILIES[0].default),) * 2


def test_how_far_searches_agree():
    runs = tuple(SearchRun("random", start, (("n", start),), score) for start, score in enumerate((1.0, 0.6, 1.0, 0.9)))
    choice = ParameterChoice("a", 0, "all", (("n", 0),), 1.0, 0.5, 9, runs)
    assert choice.agreement == 0.5
    assert choice.spread == pytest.approx(0.4)


def test_the_best_of_all_searches_is_taken(study):
    source, record = study
    settings = source.settings.parameters
    for choice in record.parameters:
        assert len(choice.runs) == len(settings.methods) * settings.starts
        assert choice.score == max(run.score for run in choice.runs) >= choice.default_score
        assert choice.parameters in [run.parameters for run in choice.runs]
        assert choice.trials <= 1 + settings.trials * len(choice.runs)
    whole = [choice for choice in record.parameters if choice.scope not in record.regimes]
    assert len(whole) == len(record.strategies) * len(record.folds)
    assert np.isfinite([choice.score for choice in record.parameters]).all()
