"""Portfolios as a kind of study."""

from quantray.research.kind import Kind
from quantray.studies.portfolios.findings import find_portfolios
from quantray.studies.portfolios.settings import PortfolioSettings
from quantray.studies.portfolios.sizing import PORTFOLIO_SIZING
from quantray.studies.portfolios.study import load_portfolios, run_portfolios
from quantray.studies.portfolios.tunable import tunable_allocator

__all__ = ["PORTFOLIOS"]

PORTFOLIOS = Kind(
    name="portfolios",
    question="Which allocator is worth its trades?",
    settings=PortfolioSettings,
    load=load_portfolios,
    run=run_portfolios,
    findings=find_portfolios,
    tunable=tunable_allocator,
    sizing=PORTFOLIO_SIZING,
)
