"""A study of portfolios that several files look at."""

import pytest
from small_portfolios import settings_in

from quantray.research.executor import Serial
from quantray.studies.portfolios.study import load_portfolios, run_portfolios


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    settings = settings_in(tmp_path_factory.mktemp("runs"))
    source = load_portfolios(settings)
    return source, run_portfolios(source, Serial())
