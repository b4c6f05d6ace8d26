"""Files written and stores filled for the tests of reading."""

import pandas as pd
import pytest

from quantray.data.quality.treatment import QualitySettings
from quantray.data.store import MarketStore


@pytest.fixture
def imported(tmp_path):
    """Write a file, import it, and load what the store then holds; the store under ``imported.store``."""

    class Imported:
        store = MarketStore(tmp_path / "market")

        def __call__(self, content, name="bars.csv", *, form=None, append=False, **settings):
            path = tmp_path / "files" / name
            path.parent.mkdir(exist_ok=True)
            if isinstance(content, pd.DataFrame):
                content.to_csv(path, index=False)
            else:
                path.write_bytes(content.encode() if isinstance(content, str) else content)
            write = self.store.append if append else self.store.import_bars
            self.report = write(path, settings=QualitySettings(**settings) if settings else None, form=form)
            return self.store.load()

    return Imported()


@pytest.fixture
def write(tmp_path):
    def write(text, name="bars.csv"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return path

    return write
