import pytest
import yaml

from quantray.errors import InputError
from quantray.strategies.catalogue import CATALOGUE
from quantray.strategies.regime_map import (
    MapRule,
    RegimeAdjustment,
    RegimeMap,
    learn_map,
    map_yaml,
    parse_regime,
    read_map,
)

CALM = {"market": "bull", "volatility": "low", "liquidity": "normal", "correlation": "normal", "sector": "broad"}


def test_the_map_that_ships():
    shipped = read_map()
    assert set(shipped.strategies) == set(CATALOGUE)
    assert shipped.adjustments["volatility"]["high"] == RegimeAdjustment(size=0.5, stops=1.5)
    assert shipped.adjustments["volatility"]["extreme"] == RegimeAdjustment(size=0.25, stops=2.0)
    assert shipped.adjustments["liquidity"]["stressed"] == RegimeAdjustment(min_signal=1.5, turnover=0.5)
    assert all(rule.because for rule in shipped.rules)


def test_every_regime_of_the_shipped_map_is_met_on_purpose():
    shipped = read_map()
    met = set()
    for market in ("bull", "bear", "neutral"):
        for volatility in ("low", "medium", "high", "extreme"):
            for correlation in ("normal", "crisis"):
                for sector in ("broad", "concentrated"):
                    place = shipped.rule_of(
                        {
                            **CALM,
                            "market": market,
                            "volatility": volatility,
                            "correlation": correlation,
                            "sector": sector,
                        }
                    )
                    met.add(place)
    assert met == set(range(len(shipped.rules)))
    assert shipped.rule_of(dict.fromkeys(CALM, "unknown")) is None


def test_the_first_rule_that_is_met_decides():
    chosen = RegimeMap(
        rules=(
            MapRule(when={"market": "bull", "volatility": ["high", "extreme"]}, strategies={"a": 1.0}),
            MapRule(when={"market": "bull", "volatility": "*"}, strategies={"b": 1.0}),
            MapRule(when={"volatility": "low", "sector": "tech"}, strategies={}),
        ),
        default={"c": 0.5},
    )
    assert chosen.rule_of({**CALM, "volatility": "high"}) == 0
    assert chosen.rule_of(CALM) == 1
    assert chosen.rule_of({**CALM, "market": "bear", "sector": "tech"}) == 2
    assert chosen.rule_of({**CALM, "market": "bear"}) is None
    assert chosen.rules[1].text == "market bull"
    assert MapRule(when={}, strategies={}).text == "any regime"
    assert chosen.strategies == ("a", "b", "c")


def test_adjustments_multiply():
    total = RegimeAdjustment(size=0.5, stops=1.5).then(RegimeAdjustment(size=0.5, min_signal=1.5, turnover=0.5))
    assert total == RegimeAdjustment(size=0.25, stops=1.5, min_signal=1.5, turnover=0.5)
    assert total.text == "positions x0.25, stops x1.5, least signal x1.5, turnover x0.5"
    assert RegimeAdjustment().text == "nothing"


def test_a_map_goes_to_yaml_and_back(tmp_path):
    path = tmp_path / "map.yaml"
    path.write_text(map_yaml(read_map()))
    assert read_map(path) == read_map()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rules": [{"when": {"market": "up"}, "strategies": {}}]}, "market has no label up"),
        ({"rules": [{"when": {"mood": "bad"}, "strategies": {}}]}, "wrong at rules.0.when.mood"),
        ({"rules": [{"when": {"market": 3}, "strategies": {}}]}, "wrong at rules.0.when.market"),
        ({"rules": [{"when": {"market": []}, "strategies": {}}]}, "market has no label"),
        ({"default": {"a": 0.7, "b": 0.4}}, "sum to 1 or less"),
        ({"default": {"a": -0.1}}, "between 0 and 1"),
        ({"adjustments": {"volatility": {"huge": {}}}}, "volatility has no label huge"),
        ({"adjustments": {"volatility": {"high": {"size": 2}}}}, "wrong at adjustments.volatility.high.size"),
        ({"adjustment": {}}, "wrong at adjustment"),
    ],
)
def test_wrong_maps_are_refused(tmp_path, change, message):
    path = tmp_path / "map.yaml"
    path.write_text(yaml.safe_dump({"default": {"a": 1.0}} | change))
    with pytest.raises(InputError, match=message):
        read_map(path)


def test_files_that_are_no_maps_are_refused(tmp_path):
    with pytest.raises(InputError, match="regime map .*none.yaml does not exist"):
        read_map(tmp_path / "none.yaml")
    (tmp_path / "bad.yaml").write_text("rules: [")
    with pytest.raises(InputError, match="is not valid YAML"):
        read_map(tmp_path / "bad.yaml")
    (tmp_path / "list.yaml").write_text("- 1")
    with pytest.raises(InputError, match="wrong at the top"):
        read_map(tmp_path / "list.yaml")


def test_regimes_in_words():
    assert parse_regime("market=bear, volatility=high") == {"market": "bear", "volatility": "high"}
    assert parse_regime("sector=energy leads") == {"sector": "energy leads"}
    for wrong in ("bear", "market=", "mood=bad", "market=up"):
        with pytest.raises(InputError, match="is no regime; write lens=label"):
            parse_regime(wrong)
    with pytest.raises(InputError, match="market appears twice"):
        parse_regime("market=bull, market=bear")


def test_a_learned_map_holds_what_scored_best():
    learned = learn_map(
        {
            ("market=bull", "trend"): 1.5,
            ("market=bull", "pairs"): 0.5,
            ("market=bull", "hedge"): -1.0,
            ("market=bear", "trend"): -0.5,
            ("market=bear", "hedge"): -0.2,
            ("market=bull, volatility=high", "pairs"): 0.3,
            ("volatility=high", "hedge"): 2.0,
            ("volatility=high", "trend"): 1.0,
            ("volatility=high", "pairs"): 0.9,
        },
        most=2,
    )
    # Two conditions before one, and then the surer regime first.
    assert [rule.text for rule in learned.rules] == [
        "market bull, volatility high",
        "volatility high",
        "market bull",
        "market bear",
    ]
    assert dict(learned.rules[1].strategies) == pytest.approx({"hedge": 2 / 3, "trend": 1 / 3})
    assert dict(learned.rules[2].strategies) == pytest.approx({"trend": 0.75, "pairs": 0.25})
    assert learned.rules[3].strategies == {}
    assert learned.rules[3].because == "no strategy scored above 0"
    assert learned.rules[2].because == "scores of trend 1.50, pairs 0.50"
    # Means over regimes: trend 0.67, pairs 0.57, hedge 0.27.
    assert list(learned.default) == ["trend", "pairs"]
    assert learned.adjustments == read_map().adjustments


def test_scores_must_be_known():
    with pytest.raises(InputError, match="0 scores"):
        learn_map({})
    with pytest.raises(InputError, match="score of trend in market=bull is nan"):
        learn_map({("market=bull", "trend"): float("nan")})
