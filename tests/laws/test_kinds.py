"""Laws that every kind of study obeys, whatever it asks."""

import json
import os
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.testing import assert_allclose

from quantray.research.comparison import compare_runs
from quantray.research.executor import Serial
from quantray.research.folder import list_runs, read_run
from quantray.research.run import render
from quantray.settings import read_settings, to_yaml
from quantray.studies.kinds import KINDS as ALL
from quantray.studies.kinds import find_kind, read_study

pytestmark = pytest.mark.slow

KINDS = ("portfolios", "capacity", "forecasts", "scale", "sweep", "combination", "regimes", "institutional")
CUT = date(2024, 9, 30)
"""Before the last day of the market."""


class Dies(Serial):
    """An executor whose process ends after some units."""

    def __init__(self, after):
        super().__init__()
        self.left = after

    def map(self, fn, items, *, shared):
        return super().map(fn, self.handed_out(items), shared=shared)

    def handed_out(self, items):
        for item in items:
            if self.left == 0:
                raise KeyboardInterrupt
            self.left -= 1
            yield item


def test_every_kind_but_searches_is_held_to_the_laws(studies):
    assert {*studies.small, "tuning"} == {*KINDS, "tuning"} == set(ALL)


@pytest.mark.parametrize("kind", KINDS)
def test_the_second_run_computes_nothing_and_says_the_same(kind, finished, studies):
    first = finished[kind]
    again = studies.run(read_settings(find_kind(kind).settings, first.folder / "settings.yaml"))
    assert again.folder == first.folder
    assert (again.about.computed, again.about.reused) == (0, first.about.computed + first.about.reused)
    assert again.about.digest == first.about.digest


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_that_was_cut_off_goes_on(kind, finished, studies, tmp_path):
    settings = studies.settings(kind, tmp_path)
    with pytest.raises(KeyboardInterrupt):
        studies.run(settings, Dies(after=1))
    (cut,) = list_runs(tmp_path)
    assert (cut.about, cut.kind) == (None, kind)
    rest = studies.run(settings)
    whole = finished[kind].about
    assert 0 < rest.about.computed < whole.computed + whole.reused
    assert rest.about.digest == whole.digest


@pytest.mark.parametrize("kind", KINDS)
def test_results_of_another_layout_are_computed_again(kind, finished, studies, tmp_path, capsys):
    """As anybody may have sealed them."""
    settings = studies.settings(kind, tmp_path)
    with pytest.raises(KeyboardInterrupt):
        studies.run(settings, Dies(after=1))
    for path in settings.results.root.rglob("*.parquet"):
        settings.results.put(path.stem, pa.table({"a": [1]}))
    again, whole = studies.run(settings).about, finished[kind].about
    assert "are damaged, or of an older quantray, and computed again: " in capsys.readouterr().err
    assert (again.computed, again.digest) == (whole.computed, whole.digest)


@pytest.mark.parametrize("kind", KINDS)
def test_a_folder_is_rendered_again_and_compared(kind, finished, studies):
    folder = finished[kind].folder
    html = (folder / "report.html").read_text()
    os.remove(folder / "report.html")
    assert render(folder).read_text() == html
    assert finished[kind].about.digest in html
    # Opens offline.
    assert 'src="http' not in html
    found, settings = read_study(folder / "settings.yaml")
    assert found.name == settings.kind == kind
    assert to_yaml(settings) == (folder / "settings.yaml").read_text()
    # Beside it, so that the units of work are found.
    other = studies.run(studies.settings(kind, folder.parent, name="other"))
    assert other.about.digest == finished[kind].about.digest
    compared = compare_runs(folder, other.folder)
    assert compared.lines == (f"equal digests {other.about.digest}: the same numbers to the last bit.",)
    assert [table.title for table in compared.tables] == ["settings that differ"]


@pytest.mark.parametrize("kind", KINDS)
def test_metrics_are_strict_json_and_not_empty(kind, finished):
    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    metrics = json.loads((finished[kind].folder / "metrics.json").read_text(), parse_constant=refuse)
    assert metrics
    assert all(any(value is not None for value in row.values()) for row in metrics.values())


@pytest.mark.parametrize("kind", ["portfolios", "sweep", "combination", "regimes", "institutional"])
def test_truncating_the_future_changes_nothing_before_it(kind, finished, studies, tmp_path):
    """Every series by date is, up to the cut, what it is without the days that follow."""
    data = studies.settings(kind, tmp_path).data.model_dump() | {"end": CUT.isoformat()}
    short = studies.run(studies.settings(kind, tmp_path, data=data)).folder
    compared = 0
    for path in sorted(short.rglob("*.parquet")):
        table, whole = pq.read_table(path), pq.read_table(finished[kind].folder / path.relative_to(short))
        if table.column_names[0] != "date" or path.stem not in ("accounts", "streams", "strategies", "days"):
            continue
        length = table.num_rows
        assert table["date"].equals(whole["date"].slice(0, length))
        for name in table.column_names[1:]:
            if table[name].type == "double":
                assert_allclose(table[name].to_numpy(), whole[name].to_numpy()[:length], rtol=1e-12, atol=1e-15)
                compared += 1
    assert compared > 2


@pytest.mark.ray
@pytest.mark.parametrize("kind", KINDS)
def test_serial_and_ray_give_the_same_digest(kind, finished, studies, tmp_path, ray_cluster):
    from quantray.distributed.executor import OnRay

    run = studies.run(studies.settings(kind, tmp_path), OnRay())
    assert run.about.computed == finished[kind].about.computed
    assert run.about.digest == finished[kind].about.digest


def test_numbers_stay_what_they_are(finished):
    """To the digits that all machines share; a change must be meant, and said in the changelog."""
    pinned = json.loads(PINNED)
    assert set(pinned) == set(KINDS)
    for kind, rows in pinned.items():
        metrics = json.loads((finished[kind].folder / "metrics.json").read_text())
        for name, expected in rows.items():
            assert_allclose([metrics[name][key] for key in expected], list(expected.values()), rtol=1e-5, atol=1e-7)


PINNED = """
{
    "portfolios": {
        "Low risk": {
            "annual_return": 0.009006208,
            "annual_volatility": 0.1124501,
            "sharpe": 0.1358316,
            "max_drawdown": 0.1700619,
            "annual_turnover": 1.873262,
            "vs_sharpe_difference": -0.1998022
        },
        "HRP": {
            "annual_return": 0.03246009,
            "annual_volatility": 0.1207588,
            "sharpe": 0.3248052,
            "max_drawdown": 0.1628959,
            "annual_turnover": 1.815982,
            "vs_sharpe_difference": -0.01082861
        },
        "Equal": {
            "annual_return": 0.03592565,
            "annual_volatility": 0.1304633,
            "sharpe": 0.3356338,
            "max_drawdown": 0.1670266,
            "annual_turnover": 0.8111658
        }
    },
    "capacity": {
        "Low risk at 1e+09": {
            "sharpe": -0.3165420,
            "annual_cost": 0.04379482,
            "turnover": 1.877969,
            "execution_days": 3.0
        },
        "HRP at 1e+06": {
            "sharpe": 0.3082699,
            "annual_cost": 0.003944734,
            "turnover": 1.815498,
            "execution_days": 1.0
        },
        "Equal at 1e+09": {
            "sharpe": 0.1113147,
            "annual_cost": 0.02045016,
            "turnover": 0.8026313,
            "execution_days": 3.0
        }
    },
    "forecasts": {
        "Net": {
            "ic": -0.03983789,
            "ic_low": -0.1547612,
            "rank_ic": -0.05150022
        },
        "zero": {
            "ic": 0.0,
            "ic_low": 0.0
        },
        "reversal": {
            "ic": -0.1412677,
            "ic_low": -0.2078989,
            "rank_ic": -0.09020814
        },
        "reversal_gap": {
            "ic": -0.1172514,
            "ic_low": -0.2086396,
            "rank_ic": -0.07151619
        },
        "ridge": {
            "ic": -0.05807064,
            "ic_low": -0.1857544,
            "rank_ic": -0.01505092
        }
    },
    "scale": {
        "Net": {
            "ic_20": -0.04805315
        },
        "zero": {
            "ic_20": 0.0
        },
        "reversal": {
            "ic_20": -0.1043057
        },
        "reversal_gap": {
            "ic_20": -0.09180798
        },
        "ridge": {
            "ic_20": -0.1140524
        }
    },
    "sweep": {
        "momentum_10_50": {
            "conditional_sharpe": 2.163321,
            "unconditional_sharpe": 1.124392,
            "over_unconditional_low": -0.3063205
        },
        "bollinger_20": {
            "conditional_sharpe": -1.646521,
            "unconditional_sharpe": -1.800209,
            "over_unconditional_low": -1.187747
        },
        "Best in training": {
            "conditional_sharpe": -0.5651361,
            "unconditional_sharpe": -0.5798335,
            "over_unconditional_low": -1.357702
        },
        "Equal shares of all": {
            "conditional_sharpe": 0.5608125,
            "unconditional_sharpe": -0.5876587,
            "over_unconditional_low": -1.253138
        }
    },
    "combination": {
        "Mix": {
            "annual_return": -0.0324996,
            "annual_volatility": 0.03883068,
            "annual_cost": 0.01798648
        },
        "Equal shares": {
            "annual_return": -0.04363855,
            "annual_volatility": 0.03428967,
            "annual_cost": 0.02033243,
            "mix_over": 0.4525959
        },
        "Best in hindsight": {
            "annual_return": 0.09532279,
            "annual_volatility": 0.08777366,
            "annual_cost": 0.01253353,
            "mix_over": -1.912572
        }
    },
    "regimes": {
        "market": {
            "mean_spell_days": 370.0,
            "same_on_weeks": 1.0
        },
        "volatility": {
            "spells": 12.0,
            "changed_by_refits": 0.008108108,
            "same_on_weeks": 0.8972810
        }
    },
    "institutional": {
        "Without parameters at 100M": {
            "sharpe": -3.059923,
            "annual_turnover": 10.61566,
            "cost_bps": 42.67396
        },
        "No phase at 100M": {
            "sharpe": -4.201316,
            "annual_return": -0.1857814,
            "cost_bps": 83.23139
        }
    }
}
"""


def test_the_laws_see_a_difference(finished):
    """Runs of other kinds are not the same run."""
    assert len({run.about.digest for run in finished.values()}) == len(finished)
    assert np.all([read_run(run.folder).about is not None for run in finished.values()])
