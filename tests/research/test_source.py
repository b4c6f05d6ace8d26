"""A change counts for what depends on it, and for nothing else; on a small package, and on quantray itself."""

import shutil
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import quantray
from quantray.errors import InputError
from quantray.research.definitions import package_ground
from quantray.research.results import ResultStore
from quantray.research.source import Place, TableChoice, classes_of, name_of, reached, source_digest
from quantray.strategies.catalogue import CATALOGUE
from quantray.studies.evaluation.ensemble_family import EnsembleFamily
from quantray.studies.evaluation.evaluations import SweepData, _origin, _played
from quantray.studies.evaluation.families import CrossFamily, RuleFamily, TradingTerms
from quantray.studies.forecasts.settings import ModelSettings
from quantray.studies.forecasts.trial import ForecastTrial, forecast_origin
from quantray.studies.portfolios.allocators import choices_of
from quantray.studies.portfolios.settings import AllocatorSettings
from quantray.studies.portfolios.trial import Trial, trial_origin

FILES = {
    "__init__.py": '"""A package."""\n',
    "deep.py": '''"""Formulas."""
import math
from functools import singledispatch

SCALE = 2.0
"""What all is multiplied by."""
LIMITS = {"low": 0}
LIMITS["high"] = 9
UNRELATED = 1


def formula(x: float) -> float:
    """Half of it."""
    return SCALE * x + math.sqrt(LIMITS["high"])


def other(x):
    return UNRELATED * x


@singledispatch
def shown(x):
    return 1


@shown.register
def _(x: int):
    return 2
''',
    "kinds.py": '''"""Classes."""
from demo.wraps import twice


class Base:
    def size(self):
        return 1


class Kind(Base):
    @twice
    def act(self) -> "Late":
        return Late()


class Late:
    value = 3


class Unused:
    value = 4
''',
    "wraps.py": "def twice(f):\n    return lambda *a: 2 * f(*a)\n",
    "again.py": "from demo.deep import formula as renamed\nfrom . import lazy\n",
    "lazy.py": "def loaded():\n    return 7\n\n\ndef idle():\n    return 8\n",
    "sides.py": """import demo.noted

FIRST = 1
FIRST = FIRST + 1


def prepared():
    return FIRST


prepared()
""",
    "noted.py": "NOTED = 1\n",
    "table.py": """from types import MappingProxyType

from demo import deep, lazy

TABLE = MappingProxyType({"a": deep.formula, "b": lazy.loaded})
SPREAD = {"a": deep.formula, **{"b": lazy.loaded}}


def chosen(name):
    return TABLE[name](1.0)


def spread(name):
    return SPREAD[name](1.0)


def everything():
    return list(TABLE)
""",
    "unit.py": '''"""The unit."""
import demo.kinds as kinds
from demo.again import renamed


def run(kind: kinds.Kind):
    from demo.lazy import loaded
    return renamed(1.0) + kind.act() + loaded()
''',
    "odd.py": "def strange():\n    return nowhere + 1\n\n\ndef neighbour():\n    return 1\n",
    "starred.py": "from demo.lazy import *\n\n\ndef taken():\n    return loaded()\n",
    "passed.py": "from demo import lazy\n\n\ndef given():\n    return vars(lazy)\n",
}


@pytest.fixture
def package(tmp_path):
    """A function: the digest of what beginnings reach in the package, with texts replaced in some of its files."""
    number = iter(range(100))

    def digest_with(changes=(), beginnings=("demo.unit:run",), choices=()):
        root = tmp_path / str(next(number)) / "demo"
        root.mkdir(parents=True)
        for name, text in FILES.items():
            (root / name).write_text(text)
        for name, old, new in changes:
            text = (root / name).read_text()
            assert old in text
            (root / name).write_text(text.replace(old, new))
        return source_digest(package_ground(root), beginnings, choices)

    return digest_with


@pytest.mark.parametrize(
    "change",
    [
        ("deep.py", "return SCALE * x", "# why\n    return (SCALE  *  x)"),
        ("deep.py", '"""Half of it."""', '"""Twice it."""'),
        ("deep.py", '    """Half of it."""\n', ""),
        ("deep.py", '"""What all is multiplied by."""', '"""A number."""'),
        ("deep.py", '"""Formulas."""\n', "\n\n\n"),
        ("deep.py", 'LIMITS["high"])', "LIMITS['high'],\n    )"),
        ("deep.py", "return UNRELATED * x", "return UNRELATED - x"),
        ("deep.py", "UNRELATED = 1", "UNRELATED = 2"),
        ("kinds.py", "value = 4", "value = 5"),
        ("lazy.py", "return 8", "return 9"),
        ("again.py", "from . import lazy\n", ""),
    ],
    ids=str,
)
def test_what_says_the_same_or_is_not_reached_changes_nothing(package, change):
    assert package([change]) == package()


@pytest.mark.parametrize(
    "change",
    [
        ("deep.py", "SCALE * x", "SCALE / x"),
        ("deep.py", "SCALE = 2.0", "SCALE = 3.0"),
        ("deep.py", "import math", "import cmath as math"),
        ("deep.py", "SCALE = 2.0", "SCALE = 2"),
        ("deep.py", 'LIMITS["high"] = 9', 'LIMITS["high"] = 8'),
        ("deep.py", 'LIMITS = {"low": 0}', 'LIMITS = {"low": 1}'),
        ("wraps.py", "2 * f", "3 * f"),
        ("kinds.py", "    @twice\n", ""),
        ("kinds.py", "return 1", "return 2"),
        ("kinds.py", "value = 3", "value = 5"),
        ("lazy.py", "return 7", "return 8"),
        ("unit.py", "renamed(1.0)", "renamed(2.0)"),
        ("again.py", "formula as renamed", "other as renamed"),
    ],
    ids=str,
)
def test_what_is_reached_counts(package, change):
    """Constants and what changes them, decorators, bases, annotations as text, imports under other names, lazy ones."""
    assert package([change]) != package()


def test_statements_that_bind_nothing_count_with_their_module(package):
    begin = ["demo.sides:FIRST"]
    plain = package(beginnings=begin)
    for change in (("FIRST + 1", "FIRST + 2"), ("\n\nprepared()\n", "\n"), ("return FIRST", "return -FIRST")):
        assert package([("sides.py", *change)], begin) != plain
    assert package([("noted.py", "1", "2")], begin) == plain


def test_what_is_registered_with_a_function_is_part_of_it(package):
    change = ("deep.py", "return 2", "return 3")
    assert package([change], ["demo.deep:shown"]) != package(beginnings=["demo.deep:shown"])


@pytest.mark.parametrize(("module", "begin"), [("odd", "strange"), ("starred", "taken"), ("passed", "given")])
def test_what_cannot_be_followed_makes_a_module_count(package, module, begin):
    file, text = ("odd.py", "return 1") if module == "odd" else ("lazy.py", "return 8")
    begin = [f"demo.{module}:{begin}"]
    assert package([(file, text, "return 99")], begin) != package(beginnings=begin)


def test_a_choice_takes_one_entry_of_a_table_for_its_reader_alone(package):
    def digests(beginning, choice):
        changes = [(), [("deep.py", "SCALE * x", "SCALE / x")], [("lazy.py", "return 7", "return 6")]]
        return [package(change, [f"demo.table:{beginning}"], [choice]) for change in changes]

    for key, counts in (("a", (True, False)), ("b", (False, True)), ("c", (True, True))):
        plain, *changed = digests("chosen", TableChoice("demo.table:chosen", "TABLE", key))
        assert tuple(one != plain for one in changed) == counts, key
    # Another reader of the table, or a table that is not written out, reaches everything.
    for reader, choice in (
        ("everything", TableChoice("demo.table:chosen", "TABLE", "a")),
        ("spread", TableChoice("demo.table:spread", "SPREAD", "a")),
    ):
        plain, *changed = digests(reader, choice)
        assert plain not in changed


def test_names_that_are_not_there_are_refused(package):
    with pytest.raises(InputError, match="demo.unit:walk is not defined"):
        package(beginnings=["demo.unit:walk"])
    with pytest.raises(InputError, match="demo.table:TABEL is not defined"):
        package(choices=[TableChoice("demo.table:chosen", "TABEL", "a")])


@dataclass(frozen=True)
class Holder:
    held: object


class Held:
    pass


def helper():
    pass


def test_classes_are_found_in_what_holds_them():
    here = __name__
    found = classes_of([Holder({"a": (Held(), 1.0, "text", np.ones(3))}), partial(helper, Holder(None))])
    assert {f"{here}:Holder", f"{here}:Held", f"{here}:helper"} <= found
    assert not any(name.startswith("builtins") for name in found)
    assert name_of(Held) == f"{here}:Held"


ROOT = Path(quantray.__file__).parent


def allocator_of(rule, **settings):
    return trial_origin(Trial(AllocatorSettings(name="x", rule=rule, **settings), None, None))


def forecaster_of(kind):
    return forecast_origin(ForecastTrial(ModelSettings(name="x", kind=kind), None, 0, 0))


def family_of(family, tmp_path):
    data = SweepData(None, "", (family,), TradingTerms(), ResultStore(tmp_path))
    return _origin(data, _played, [family.name])


@pytest.fixture(scope="module")
def origins(tmp_path_factory):
    """Units by name, with the code that they begin from."""
    place = tmp_path_factory.mktemp("results")
    return {
        "hrp": allocator_of("hrp", estimator="ledoit_wolf"),
        "hrp on ewma": allocator_of("hrp", estimator="ewma"),
        "hrp on factors": allocator_of("hrp", estimator="statistical"),
        "minimum variance": allocator_of("minimum_variance", estimator="ledoit_wolf"),
        "equal": allocator_of("equal_weight"),
        "ridge": forecaster_of("ridge"),
        "network": forecaster_of("network"),
        "screen": family_of(CrossFamily(), place),
        "pairs": family_of(RuleFamily(CATALOGUE["pairs"]), place),
        "rsi": family_of(RuleFamily(CATALOGUE["rsi_14"]), place),
        "ensemble": family_of(EnsembleFamily(), place),
    }


@pytest.mark.parametrize(
    ("file", "old", "new", "concerned"),
    [
        ("portfolio/hrp.py", "out[order] = weights", "out[order] = -weights", {"hrp", "hrp on ewma", "hrp on factors"}),
        (
            "covariance/shrinkage.py",
            "def to_single_factor(",
            "def to_single_factor(*, x=1, ",
            {"hrp", "minimum variance"},
        ),
        ("models/networks.py", "import torch\n", "import torch\n\ntorch.manual_seed(0)\n", {"network"}),
        (
            "strategies/mean_reversion.py",
            "class RsiReversion(Rule[Float]):",
            "class RsiReversion(Rule[Float]):\n    x = 1",
            {"rsi", "ensemble"},
        ),
        ("strategies/cointegration.py", "np.", "np.ma.", {"pairs", "ensemble"}),
    ],
    ids=lambda value: value if isinstance(value, str) and value.endswith(".py") else "",
)
def test_a_formula_changes_the_code_of_what_depends_on_it_alone(origins, tmp_path, file, old, new, concerned):
    copied = tmp_path / "quantray"
    shutil.copytree(ROOT, copied, ignore=shutil.ignore_patterns("__pycache__"))
    text = (copied / file).read_text()
    assert old in text
    (copied / file).write_text(text.replace(old, new))
    changed = {
        name
        for name, origin in origins.items()
        if source_digest(package_ground(copied), origin.code, origin.choices)
        != source_digest(package_ground(ROOT), origin.code, origin.choices)
    }
    assert changed == concerned


def test_settings_count_by_their_values_and_what_they_do(origins, tmp_path):
    copied, hrp = tmp_path / "quantray", origins["hrp"]
    shutil.copytree(ROOT, copied, ignore=shutil.ignore_patterns("__pycache__"))
    before = source_digest(package_ground(ROOT), hrp.code, hrp.choices)
    config = copied / "studies" / "portfolios" / "settings.py"
    config.write_text(
        config.read_text().replace('        "minimum_cvar",\n', '        "minimum_cvar",\n        "another",\n', 1)
    )
    assert source_digest(package_ground(copied), hrp.code, hrp.choices) == before
    moved = tmp_path / "moved" / "quantray"
    shutil.copytree(copied, moved)
    config = moved / "studies" / "portfolios" / "settings.py"
    config.write_text(config.read_text().replace('self.rule == "minimum_cvar"', 'self.rule == "hrp"', 1))
    assert source_digest(package_ground(moved), hrp.code, hrp.choices) != before


def test_every_unit_reaches_its_choices_and_no_whole_module(origins):
    for name, origin in origins.items():
        places = reached(package_ground(ROOT), origin.code, origin.choices)
        assert not [place for place in places if place.name == "*"], name
        keys = {place.key for place in places if place.key}
        asked = {choice.key for choice in origin.choices}
        assert keys == ({"equal_weight", "known"} if name == "equal" else asked), name
    with_all = reached(package_ground(ROOT), origins["hrp"].code, choices_of(AllocatorSettings(name="x", rule="hrp")))
    assert Place("quantray.portfolio.hrp", "hrp_weights") in with_all
    assert Place("quantray.portfolio.mean_variance", "optimise") not in with_all
