"""Behind each sentence of SECURITY.md stands a test: here, or in the file that a comment names."""

import json
import os

import numpy as np
import plotly.graph_objects as go
import pytest
import yaml
from command_line import quantray

from quantray.analytics.figures import Picture
from quantray.analytics.page import Page, Section, Table, chart
from quantray.data.store import MarketStore
from quantray.distributed.jobs import JobRequest, parse_environment
from quantray.errors import DataError, InputError
from quantray.research.terms import TrackingSettings
from quantray.research.tracking import TrackedRun, track
from quantray.settings import as_mapping, config_hash, read_settings, to_yaml
from quantray.studies.portfolios.settings import demo_settings

SECRET = "pa55w0rd"
URI = f"sqlite:///nowhere.db?password={SECRET}"


# Trusted: settings may name code (tests/data/test_formats.py, tests/laws/test_seventh_kind.py); files of settings hold
# plain values only (tests/test_inputs.py, tests/test_hostile.py). Pipes and devices: tests/storage/test_files.py too;
# packed files: tests/data/vendors/test_packed.py.


def test_a_secret_of_the_settings_is_written_nowhere(tmp_path, monkeypatch):
    """A whole run with a password in the tracking address, which does not answer: files, output and lists."""
    monkeypatch.chdir(tmp_path)
    uri = f"http://user:it's-{SECRET}-a\"b<c@127.0.0.1:1/?access_token={SECRET}"
    small = [
        "data.n_assets=6",
        "data.n_days=330",
        "folds.lookback_days=60",
        "folds.test_days=120",
        "cluster.kind=serial",
    ]
    changes = [*small, "tracking.mlflow=true", f"tracking.uri={uri}", "benchmark=Equal weight"]
    config = tmp_path / "a.yaml"
    config.write_text(to_yaml(demo_settings()))
    words = [word for change in changes for word in ("--set", change)]
    done = quantray("run", config, *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (run,) = (tmp_path / "runs").glob("demo-*")
    said = [done.stdout, done.stderr]
    said += [quantray(verb, run, cwd=tmp_path).stdout for verb in ("report", "verify")]
    said += [quantray("runs", cwd=tmp_path).stdout, quantray("compare", run, run, cwd=tmp_path).stdout]
    files = [path for path in (tmp_path / "runs").rglob("*") if path.is_file()]
    assert {"settings.yaml", "report.html", "study.json"} <= {path.name for path in files}
    said += [path.read_bytes().decode("latin-1") for path in files]
    assert not any(SECRET in text for text in said)
    assert "http://***@127.0.0.1:1/?access_token=***" in (run / "settings.yaml").read_text()
    # What was left out is asked for, and the run found again.
    again = quantray("run", run / "settings.yaml", "--check", cwd=tmp_path)
    assert again.returncode == 2
    assert "tracking.uri held a secret" in again.stderr
    assert (
        quantray("run", run / "settings.yaml", "--check", "--set", f"tracking.uri={uri}", cwd=tmp_path).returncode == 0
    )
    other = read_settings(type(demo_settings()), run / "settings.yaml", ["tracking.uri=null"])
    changed = other.model_copy(update={"tracking": TrackingSettings(uri=uri.replace(SECRET, "other"))})
    assert config_hash(changed) == config_hash(other.model_copy(update={"tracking": TrackingSettings(uri=uri)}))


def test_errors_mask_what_they_repeat():
    for error in (InputError, DataError):
        assert SECRET not in str(error(f"postgresql://me:{SECRET}@db/x and ?sig={SECRET}"))
    with pytest.raises(InputError) as refused:
        read_settings(type(demo_settings()), "none.yaml", [f"a.token={SECRET}"])
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize(
    "change",
    [
        f"tracking.uri=http://me:it's {SECRET}@h:99999/",
        f"tracking.uri=http://me:{'x' * 90}{SECRET}@h:99999/",
        f"accessToken=a {SECRET}",
        f"a.password: {SECRET}",
        f'a.password="{SECRET}\\x07"',
        f"a.password='{SECRET}",
        f"name.token=a {SECRET}",
    ],
)
def test_a_refused_change_of_settings_does_not_show_its_secret(change, tmp_path):
    (tmp_path / "a.yaml").write_text(to_yaml(demo_settings()))
    with pytest.raises(InputError) as refused:
        read_settings(type(demo_settings()), tmp_path / "a.yaml", [change])
    assert SECRET not in str(refused.value)


def test_values_for_a_job_are_not_repeated(tmp_path):
    for pair in (f"A-B={SECRET}", f"A={SECRET}\nx", f"={SECRET}"):
        with pytest.raises(InputError) as refused:
            parse_environment([pair])
        assert SECRET not in str(refused.value)
    for name in ("a.py", "a.yaml"):
        (tmp_path / name).touch()
    request = JobRequest("a.py", "a.yaml", folder=tmp_path, environment=parse_environment([f"KEY={SECRET}"]))
    assert SECRET not in repr(request)
    with pytest.raises(InputError, match="would show a secret to all who see the cluster's jobs"):
        JobRequest("a.py", "a.yaml", (f"tracking.uri=http://u:{SECRET}@h",), folder=tmp_path)


def test_a_tracker_gets_text_and_no_secrets(tmp_path):
    """Names that MLflow does not take, formulas, escape sequences."""
    mlflow = pytest.importorskip("mlflow")
    settings = demo_settings().model_copy(update={"tracking": TrackingSettings(uri=URI)})
    told = TrackedRun(
        name="a\x1b[2J",
        key="k",
        settings=as_mapping(settings),
        metrics={"ES[/z5].sharpe": 1.0},
        tags={"note[1]": f"\x1b[31m http://u:{SECRET}@h"},
    )
    track([told], TrackingSettings(mlflow=True), tmp_path)
    (run,) = mlflow.MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}").search_runs(["1"])
    kept = {**run.data.params, **run.data.tags, "name": run.info.run_name}
    assert SECRET not in json.dumps(kept)
    assert "\x1b" not in "".join(kept.values())
    assert run.data.metrics == {"ES_/z5_.sharpe": 1.0}
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"


def test_labels_of_pictures_are_text(tmp_path):
    link = '<a href="http://evil">ES</a>\x1b[2J'
    figure = go.Figure(go.Bar(x=[link], y=np.array([1.0]), name="a<br>b", hovertemplate="%{y}<extra>&lt;b</extra>"))
    section = chart("t", Picture(figure.update_layout(height=300), ""))
    (trace,) = json.loads(section.parts[0].figure)["data"]
    assert trace["x"] == ['&lt;a href="http://evil">ES&lt;/a>\\x1b[2J']
    assert trace["name"] == "a<br>b"
    assert trace["hovertemplate"] == "%{y}<extra>&amp;lt;b</extra>"
    table = Table(columns=("a",), groups=())
    page = Page(title="t\x1b[2J\u202e", meta="", headline="<i>", sections=(Section(title="s"),), summary=table)
    html = page.html((), {"uri": f"http://u:{SECRET}@h"})
    assert "t\\x1b[2J\\u202e" in html
    assert "&lt;i&gt;" in html
    assert SECRET not in html


# Terminal: tests/test_terminal.py, tests/test_hostile.py. Spreadsheets: tests/test_printable.py, tests/test_hostile.py.
# Pages without a net: tests/analytics/test_page.py. Ray's token: tests/distributed/test_environment.py.


def test_a_store_does_not_show_its_login():
    store = MarketStore(f"s3://key:{SECRET}@bucket/market")
    assert SECRET not in repr(store)


def test_a_settings_file_that_a_run_leaves_is_plain():
    assert yaml.safe_load(to_yaml(demo_settings()))["name"] == "demo"
