import pytest

from quantray.errors import InputError
from quantray.strategies.catalogue import CATALOGUE
from quantray.studies.evaluation.families import RuleFamily
from quantray.studies.institutional.parts import RulePart

RULE = CATALOGUE["momentum_10_50"]


def test_parts_share_the_sets_of_the_rule_without_overlap():
    whole = RuleFamily(RULE).space.all()
    parts = [RulePart(RULE, part, 4).space.all() for part in range(4)]
    assert [s for sets in parts for s in sets] == list(whole)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_one_part_is_the_rule():
    part, rule = RulePart(RULE), RuleFamily(RULE)
    assert (part.name, part.default) == (rule.name, rule.default)
    assert part.space.all() == rule.space.all()
    assert part.identity(part.default) == rule.identity(rule.default)
    assert part.group(part.default) == rule.group(rule.default)


def test_a_default_lies_in_its_part_and_is_the_rules_own_in_one_of_them():
    rule = CATALOGUE["crisis_alpha"]
    parts = [RulePart(rule, part, 3) for part in range(3)]
    assert all(part.allows(part.default) for part in parts)
    assert sum(part.default == RuleFamily(rule).default for part in parts) == 1


@pytest.mark.parametrize(("part", "parts", "said"), [(3, 3, "parts count from 0"), (0, 10_000, "has fewer than 10000")])
def test_parts_that_are_none_are_refused(part, parts, said):
    with pytest.raises(InputError, match=said):
        RulePart(RULE, part, parts)
