"""The law of units of work: found or computed, once, in order; and no worker of another environment takes part."""

from dataclasses import dataclass, replace

import pyarrow as pa
import pytest

from quantray.data.splits import DateRange, Split
from quantray.errors import DataError, InputError
from quantray.research.executor import Serial
from quantray.research.numerics import numerics_class, portable_variables
from quantray.research.provenance import Origin, traits
from quantray.research.results import ResultStore
from quantray.research.units import Bundle, Unit, Workplace, _run, _Task, complete, metered
from quantray.studies.portfolios.settings import AllocatorSettings
from quantray.studies.portfolios.trial import Schedule, StudyData, Trial, due_trials, run_trial, trial_units

ORIGIN = Origin(("quantray.arrays:digest",), ("numpy",))


@dataclass(frozen=True)
class Numbers:
    results: ResultStore


def key_of(number):
    return f"aa{number:02d}"


def kept(data, number):
    data.results.put(key_of(number), pa.table({"square": [number**2]}))
    return key_of(number)


def all_kept(data, numbers):
    return tuple(kept(data, number) for number in numbers)


def wrong(data, number):
    return key_of(number + 1)


def units_of(*numbers):
    return [Unit(key_of(number), number, ORIGIN) for number in numbers]


class Counting(Serial):
    """Counts what it is given."""

    def __init__(self):
        super().__init__()
        self.puts, self.items = 0, []

    def put(self, value):
        self.puts += 1
        return super().put(value)

    def map(self, fn, items, *, shared):
        items = list(items)
        self.items.append([item.item for item in items])
        return super().map(fn, items, shared=shared)


@pytest.fixture
def data(tmp_path):
    return Numbers(ResultStore(tmp_path))


def test_what_is_missing_is_computed_in_order_and_once(data):
    executor = Counting()
    place = Workplace(executor, data)
    done = complete(place, kept, units_of(3, 1, 3, 2), label="x")
    assert (done.keys, done.n_computed, done.n_reused) == (("aa03", "aa01", "aa03", "aa02"), 3, 1)
    done = complete(place, kept, units_of(4, 1, 0), label="x")
    assert (done.n_computed, done.n_reused) == (2, 1)
    assert executor.items == [[3, 1, 2], [4, 0]]
    assert executor.puts == 1
    assert [data.results.get(key).to_pydict() for key in done.keys] == [{"square": [n**2]} for n in (4, 1, 0)]


def test_where_all_is_there_nothing_is_stored_nor_mapped(data):
    complete(Workplace(Serial(), data), kept, units_of(1, 2), label="x")
    executor = Counting()
    done = complete(Workplace(executor, data), kept, units_of(1, 2), label="x")
    assert (done.n_computed, done.n_reused, executor.puts, executor.items) == (0, 2, 0, [])


def test_damaged_results_are_named_in_a_line_and_computed_again(data, capsys):
    complete(Workplace(Serial(), data), kept, units_of(1, 2, 3, 4), label="x")
    whole = [data.results.path(key_of(n)).read_bytes() for n in (1, 2, 3, 4)]
    data.results.path(key_of(1)).write_bytes(whole[1])
    data.results.path(key_of(3)).write_bytes(whole[2][:-9] + b"!" + whole[2][-8:])
    data.results.path(key_of(4)).unlink()
    executor = Counting()
    done = complete(Workplace(executor, data), kept, units_of(1, 2, 3, 4), label="x")
    assert (done.n_computed, executor.items) == (3, [[1, 3, 4]])
    said = capsys.readouterr().err
    assert f"2 results in {data.results.root} are damaged" in said
    assert "computed again: aa01, aa03\n" in said
    assert [data.results.path(key_of(n)).read_bytes() for n in (1, 2, 3, 4)] == whole


def test_keys_of_completed_units_are_noted_for_whoever_asks(data):
    place = Workplace(Serial(), data)
    complete(place, kept, units_of(1), label="x")
    with metered() as meter:
        complete(place, kept, units_of(1, 2, 1), label="x")
    complete(place, kept, units_of(3), label="x")
    assert meter.keys == ["aa01", "aa02"]
    # One was there, so that one was worked on.
    assert {name: part.units for name, part in meter.parts.items()} == {"x": 1}


def test_what_units_take_is_noted_by_part(data):
    units = [Unit(key_of(n), n, ORIGIN, part="odd" if n % 2 else "even") for n in (1, 2, 3)]
    with metered() as meter:
        complete(Workplace(Serial(), data), kept, units, label="squares")
    assert {name: part.units for name, part in meter.parts.items()} == {"squares odd": 2, "squares even": 1}
    took = meter.took(data.results.size(meter.keys))
    assert took.results_bytes == sum(path.stat().st_size for path in data.results.root.rglob("*.parquet"))
    assert took.workers == 0


def test_missing_units_may_travel_together(data):
    def pairs(missing):
        some = [tuple(missing[i : i + 2]) for i in range(0, len(missing), 2)]
        return [Bundle([unit.item for unit in units], units) for units in some]

    complete(Workplace(Serial(), data), kept, units_of(2), label="x")
    executor = Counting()
    done = complete(Workplace(executor, data), all_kept, units_of(1, 2, 3, 4), label="x", bundle=pairs)
    assert (done.n_computed, executor.items) == (3, [[[1, 3], [4]]])


def test_the_number_of_units_is_said_where_they_have_a_name(data, capsys):
    complete(Workplace(Serial(), data), kept, units_of(1, 2), label="x")
    assert "already there" not in capsys.readouterr().err
    complete(Workplace(Serial(), data), kept, units_of(1, 2, 3), label="x", announce="sums")
    assert "3 sums: 1 to compute, 2 already there" in capsys.readouterr().err


def test_a_worker_that_saw_other_data_is_refused(data):
    with pytest.raises(DataError, match="a worker saw other data than the driver"):
        complete(Workplace(Serial(), data), wrong, units_of(1), label="x")


@pytest.mark.parametrize(
    ("trait", "said"),
    [
        ("numpy", r"a worker differs from the driver: numpy \d.* there and other here; use one environment"),
        ("code", r"code .* there and other here"),
        ("numerics", "a worker computes in numerics class .* and the driver in other, .* set numerics to portable"),
    ],
)
def test_a_worker_of_another_environment_is_refused_before_it_computes(data, trait, said):
    task = _Task(kept, 1, ORIGIN, traits(ORIGIN) | {trait: "other"})
    with pytest.raises(DataError, match=said):
        _run(data, task)
    assert not data.results.has(key_of(1))


def test_portable_numerics_are_refused_where_other_kernels_are_loaded(data):
    if str(numerics_class()) == "Haswell, AVX2":
        pytest.skip("this process has the kernels of AVX2")
    units = [Unit("aa01", 1, replace(ORIGIN, numerics="portable"))]
    with pytest.raises(InputError, match="numerics portable means Haswell, AVX2, and this process computes with"):
        complete(Workplace(Serial(), data), kept, units, label="x")


@pytest.fixture
def study(market, tmp_path):
    """A panel with its results, and decisions of HRP on it."""
    panel = market.panel.select(market.panel.assets[:12]).with_only("close")
    before, after = (DateRange(panel.dates[a], panel.dates[b]) for a, b in ((180, 299), (300, 340)))
    split = Split(train=before, valid=None, test=after, horizon=0, lag=0, purge=0)
    trial = Trial(AllocatorSettings(name="x", rule="hrp"), split, Schedule("monthly", "XNYS", 120, 0.9, 0.0))
    return StudyData(panel, ResultStore(tmp_path)), trial


def test_a_result_says_what_computed_it(study):
    data, trial = study
    notes = data.results.notes(run_trial(data, *due_trials(data.panel, [trial])))
    assert notes["numerics"] == str(numerics_class())
    assert notes["code"].startswith(("source ", "release "))
    notes = data.results.notes(run_trial(data, *due_trials(data.panel, [replace(trial, numerics="any")])))
    assert notes["numerics"] == str(numerics_class())


@pytest.mark.ray
def test_a_worker_with_other_kernels_is_refused_by_name_unless_any_will_do(study, ray_cluster):
    from quantray.distributed.executor import OnRay

    data, trial = study
    here = str(numerics_class())
    variables = portable_variables() | {"OPENBLAS_CORETYPE": "Sandybridge"}
    place = Workplace(OnRay(variables=variables), data)

    with pytest.raises(DataError, match=f"numerics class Sandybridge, AVX2 and the driver in {here}, .* portable"):
        complete(place, run_trial, trial_units(data.panel, [trial]), label="x")
    loose = trial_units(data.panel, [replace(trial, numerics="any")])
    (key,) = complete(place, run_trial, loose, label="x").keys
    assert data.results.notes(key)["numerics"] == "Sandybridge, AVX2"
    (key,) = complete(Workplace(OnRay(), data), run_trial, trial_units(data.panel, [trial]), label="x").keys
    assert data.results.notes(key)["numerics"] == here
