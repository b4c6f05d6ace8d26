import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from quantray.errors import DataError
from quantray.research.market import SimulatedData
from quantray.serving.client import Client
from quantray.serving.demo import demo_changes, publish_demo
from quantray.studies.portfolios.settings import FoldSettings, demo_settings


@pytest.fixture
def study(tmp_path):
    changed = {"runs": str(tmp_path), "data": SimulatedData(n_assets=20, n_days=400, seed=11)}
    return demo_settings().model_copy(update=changed | {"folds": FoldSettings(lookback_days=120, test_days=126)})


def test_the_same_demo_publishes_the_same_book(study):
    first, again = publish_demo(study), publish_demo(study)
    assert again.pointer == first.pointer
    assert first.done.book.portfolio == "Demo"
    assert first.record.exists()
    assert set(first.done.book.documents["regimes"]) == {"market", "volatility", "liquidity", "correlation", "sector"}


def test_without_a_demo_nothing_can_be_served(tmp_path):
    with pytest.raises(DataError, match="holds no book; run `quantray demo` first"):
        demo_changes(str(tmp_path))


@pytest.mark.ray
def test_the_command_serves_the_demo_until_it_is_interrupted(study, tmp_path, free_ports):
    publish_demo(study)
    port = free_ports(1)[0]
    program = Path(sys.executable).with_name("quantray")
    command = [program, "serve", "--demo", "--runs", str(tmp_path), "--set", f"port={port}"]
    environment = {**os.environ, "RAY_AUTH_MODE": "disabled", "HOME": str(tmp_path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as running:
        lines = iter(running.stdout.readline, "")
        key = next(found[1] for line in lines if (found := re.search(r"#key=(\S+)", line)))
        with Client(f"http://127.0.0.1:{port}", key) as client:
            assert client.portfolio().frame["weight"].sum() > 0.99
            assert client.health().status == "ok"
        running.send_signal(signal.SIGINT)
        assert running.wait(timeout=300) == 0
