"""What is kept of a study of regimes: labels and probabilities of all days, spells, moves, refits, episodes, report."""

import math
from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from quantray.arrays import Dates, Float
from quantray.regimes.episodes import detection, false_alarms
from quantray.regimes.lens_measures import MarketMeasures
from quantray.regimes.path import RegimePath
from quantray.regimes.timeframes import on_finer
from quantray.research.kind import Findings, Work
from quantray.studies.evaluation.regime_choice import RegimeMethod
from quantray.studies.regimes.report import Refit, RegimesInput, Seen, Weekly, regimes_page
from quantray.studies.regimes.study import RegimesResult, RegimesSource

__all__ = ["find_regimes"]


def find_regimes(source: RegimesSource, result: RegimesResult) -> Findings:
    """Tables of all paths, their spells, moves, refits and episodes, metrics of each method, and the report."""
    settings, panel = source.settings, source.panel
    level = MarketMeasures.of_panel(panel, weighting=settings.lenses.weighting).level
    first = min(path.dates[path.known][0] for path in result.said.values())
    span = source.data.sample(panel.dates[panel.dates >= first])
    content = RegimesInput(
        title=settings.name,
        meta=f"Regimes, {span.first} to {span.last} · {source.data.description} · {span.names}",
        level=level,
        said=result.said,
        weekly={name: _weekly(result.said[name], path) for name, path in result.weekly.items()},
        refits={name: _refits(result, name) for name in result.said},
        seen=_seen(source, result, level),
        quiet={name: false_alarms(path, settings.falls()) for name, path in result.said.items()},
        warnings=source.data.survivors("markets fell further than this index did"),
    )
    return Findings(
        digest=result.digest,
        page=regimes_page(content),
        work=Work(result.n_computed, result.n_reused, result.seconds, called="paths"),
        metrics={name: _metrics(content, name) for name in result.said},
        tables=_tables(content, result, panel.dates),
        facts=span.facts | {"n_methods": len(result.said)},
    )


def _weekly(said: RegimePath, weeks: RegimePath) -> Weekly:
    return Weekly(weeks, said.agreement(on_finer(weeks, said.dates)))


def _refits(result: RegimesResult, method: RegimeMethod) -> tuple[Refit, ...]:
    """How each fit's story of the past differs from what was said at the time, and from the story before it."""
    told, out = result.again[method], []
    before: RegimePath | None = None
    for day, path in told.items():
        once = result.said[method].agreement(path)
        since = path.agreement(before).same if before is not None else math.nan
        out.append(Refit(day, once.rows, 1 - once.same, 1 - since))
        before = path
    return tuple(out)


def _seen(source: RegimesSource, result: RegimesResult, level: Float) -> tuple[Seen, ...]:
    """What each method said of the episodes whose days it knows."""
    dates, out = source.panel.dates, []
    for episode in source.settings.falls():
        for method, path in result.said.items():
            found = detection(path, episode)
            if found is None:
                continue
            rows = np.arange(len(dates))[episode.rows(dates)]
            peak, trough = (level[dates == day][0] for day in (found.first, dates[rows[-1]]))
            at = level[dates == found.date][0] if found.date is not None else math.nan
            out.append(Seen(method, episode, found, float(trough / peak - 1), float(at / peak - 1)))
    return tuple(out)


def _metrics(content: RegimesInput, method: RegimeMethod) -> dict[str, float | None]:
    path = content.said[method]
    changed = [one.changed for one in content.refits[method] if one.days]
    spells = path.spells
    found = [one.detection for one in content.seen if one.method == method]
    days = [one.days for one in found if one.days is not None]
    weekly = content.weekly.get(method)
    return {
        "spells": float(len(spells.lengths)),
        "mean_spell_days": float(spells.lengths.mean()),
        "changed_by_refits": float(np.mean(changed)) if changed else None,
        "same_on_weeks": weekly.agreement.same if weekly else None,
        "episodes": float(len(found)),
        "episodes_seen": float(len(days)),
        "median_days_to_detection": float(np.median(days)) if days else None,
        "false_alarms_a_year": content.quiet[method].a_year if found else None,
    }


def _tables(content: RegimesInput, result: RegimesResult, dates: Dates) -> dict[str, pa.Table]:
    paths = [("1day", name, path) for name, path in result.said.items()]
    paths += [("1week", name, path) for name, path in result.weekly.items()]
    tables = {"days": _side_by_side(dates, result.said).add_column(1, "index", pa.array(content.level))}
    if result.weekly:
        tables["weeks"] = _side_by_side(next(iter(result.weekly.values())).dates, result.weekly)
    rows = {
        "spells": [row for place in paths for row in _spells(*place)],
        "moves": [row for place in paths for row in _moves(*place)],
        "refits": [
            {"method": name, **vars(one), "fitted": one.fitted.item()}
            for name, refits in content.refits.items()
            for one in refits
        ],
        "episodes": [_episode(one) for one in content.seen],
    }
    return tables | {name: pa.Table.from_pylist(found) for name, found in rows.items() if found}


def _side_by_side(dates: Dates, paths: Mapping[RegimeMethod, RegimePath]) -> pa.Table:
    columns: dict[str, object] = {"date": dates}
    for method, path in paths.items():
        columns[method] = path.named
        columns |= {
            f"{method}, {name}": chances for name, chances in zip(path.names, path.probabilities.T, strict=True)
        }
    return pa.table(columns)


def _spells(timeframe: str, method: str, path: RegimePath) -> list[dict[str, object]]:
    found = path.spells
    columns = zip(found.labels.tolist(), found.first.tolist(), found.last.tolist(), found.lengths.tolist(), strict=True)
    return [
        {
            "timeframe": timeframe,
            "method": method,
            "regime": str(path.names[label]),
            "first": a,
            "last": b,
            "rows": rows,
        }
        for label, a, b, rows in columns
    ]


def _moves(timeframe: str, method: str, path: RegimePath) -> list[dict[str, object]]:
    names = path.names.tolist()
    return [
        {"timeframe": timeframe, "method": method, "from": one, "to": other, "share": float(path.transitions[i, j])}
        for i, one in enumerate(names)
        for j, other in enumerate(names)
    ]


def _episode(one: Seen) -> dict[str, object]:
    found = one.detection
    return {
        "episode": one.episode.name,
        "method": one.method,
        "first": found.first.item(),
        "trough": one.episode.trough,
        "fall": one.fall,
        "detected": found.date.item() if found.date is not None else None,
        "days": found.days,
        "fallen_by_then": one.fallen,
        "said": found.said,
        "held": found.held,
    }
