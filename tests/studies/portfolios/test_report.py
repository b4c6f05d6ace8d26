from dataclasses import replace

import numpy as np
from small_portfolios import kept

from quantray.analytics.track import Delistings
from quantray.research.executor import Serial
from quantray.research.run import render
from quantray.studies.portfolios.report import delisting_note
from quantray.studies.portfolios.study import run_portfolios


def test_names_are_escaped_in_the_report(study, tmp_path):
    source, result = study
    evil = replace(source, data=replace(source.data, description="<script>alert(1)</script>"))
    html = (kept(evil, result) / "report.html").read_text()
    assert "<script>alert(1)</script>" not in html
    assert "&lt;script&gt;alert(1)" in html


def test_the_report_says_what_was_booked_on_delistings(study):
    source, result = study
    held = {record.name: record.delistings for record in result.records}
    assert all(found.recorded == 0 for found in held.values())
    html = render(kept(source, result)).read_text()
    said = ", ".join(f"{name} 0 / {found.assumed}" for name, found in held.items())
    assert f"at accounting.delisting_return, which is 0%: {said}." in html
    close = source.panel.field("close")
    delist = np.full(close.shape, np.nan)
    delist[:-1][~np.isnan(close[:-1]) & np.isnan(close[1:])] = -0.5
    told = replace(source, data=replace(source.data, panel=source.panel.with_fields(delist_return=delist)))
    other = run_portfolios(told, Serial())
    # Decisions are found from before: nothing of it is among what they depend on.
    assert other.n_computed == 0
    for one, two in zip(other.records, result.records, strict=True):
        assert one.delistings == Delistings(recorded=held[two.name].assumed, assumed=0)
        assert one.nav[-1] < two.nav[-1]


def test_no_portfolio_held_what_was_delisted(study):
    _, result = study
    untouched = [replace(record, delistings=Delistings()) for record in result.records]
    assert delisting_note(untouched, 0.0) == "No portfolio held an asset until it was delisted."
