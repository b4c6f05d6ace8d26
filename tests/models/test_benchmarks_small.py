"""The benchmarks of learned models, small and on the CPU, so that they go on working."""

import gc
import json
import os
import subprocess
import sys
from pathlib import Path

import bench_gat_memory
import bench_gpu
import bench_inference
import bench_layers
import bench_warm_start
import numpy as np
import pandas as pd
import pytest
import torch
from _rsr import LEVEL, clean_features, leaking_features, read

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


@pytest.fixture
def written(monkeypatch, tmp_path):
    """What benchmarks would have written to their results, as it reads back."""
    lines = {}

    def write_line(name, content):
        lines[name] = json.loads(json.dumps(content))
        return tmp_path / f"{name}.jsonl"

    for module in (bench_gat_memory, bench_inference, bench_warm_start, bench_gpu):
        monkeypatch.setattr(module, "write_line", write_line)
    threads = torch.get_num_threads()
    # Benchmarks collect garbage before every timing; what other tests have left need not be looked at each time.
    gc.collect()
    gc.freeze()
    yield lines
    torch.set_num_threads(threads)


def test_bytes_of_pairs_are_counted_once_and_without_parameters():
    """520 N^2 of the pairs, their scores and weights; and the tokens, read and mapped."""
    torch.manual_seed(0)
    n, width = 40, 64
    maps, scoring = torch.nn.Parameter(torch.randn(width, width)), torch.nn.Parameter(torch.randn(2 * width))
    layer = bench_gat_memory.Layer(lambda tokens: bench_gat_memory.all_pairs(tokens, maps, scoring), [maps, scoring])
    kept = bench_gat_memory.saved_bytes(layer, torch.randn(n, width))
    assert kept == 520 * n * n + 2 * 4 * width * n


@pytest.mark.slow  # PyG takes its time to import
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_attention_is_linear_in_memory(written):
    status = bench_gat_memory.main(["--names", "100", "200", "--repeats", "1", "--skip-peaks"])
    line = written["bench_gat_memory"]
    assert status == 0
    assert line["bytes_reached"]
    assert set(line["slope_of_bytes"]) == {*bench_gat_memory.KINDS, "pyg_gat", "pyg_gatv2", "all_pairs"}
    for reference in bench_gat_memory.REFERENCES:
        assert line["slope_of_bytes"][reference] > 1.8
    for kind in ("dense", "complete", "neighbours", "hierarchical"):
        own = line["results"]["200"][kind]
        assert own["saved_recompute"] == 4 * 64 * 200
        assert own["saved"] < line["results"]["200"]["pyg_gatv2"]["saved"]


def test_a_layer_by_name_scores_as_the_built_in_one_and_keeps_more():
    structure = bench_gat_memory.structure_of(60, 2, 0, absent=0.1)
    assert bench_layers.difference(structure) < 1e-6
    own, theirs = (
        bench_layers.cost(bench_layers.LAYERS[n], structure, 1) for n in ("built-in neighbours", "GATv2Conv")
    )
    assert own.bytes < theirs.bytes


def test_the_public_benchmark_is_split_by_the_day_of_its_label(tmp_path):
    dates = pd.bdate_range("2013-01-02", "2017-12-08")
    prices = np.exp(np.random.default_rng(1).normal(0, 0.01, (len(dates), 12)).cumsum(axis=0))
    frame = pd.DataFrame(prices / prices.max(axis=0), dates, [f"S{i}" for i in range(12)])
    rows = frame.rename_axis("date").reset_index().melt("date", var_name="symbol", value_name="close")
    rows.assign(industry="all").to_parquet(tmp_path / "rsr.parquet")
    rsr = read(tmp_path / "rsr.parquet")
    following = {part: rsr.panel.dates[rsr.panel.row(getattr(rsr.fold, part).last) + 1] for part in ("train", "valid")}
    assert following == {"train": np.datetime64("2015-12-30"), "valid": np.datetime64("2016-12-29")}
    assert rsr.fold.test.first == np.datetime64("2016-12-30")
    assert rsr.forward.shape == (rsr.rows.stop - rsr.rows.start, 12)
    assert np.isfinite(rsr.forward).all()
    # Nothing that is made again from the past alone can tell a leak that stands in the file.
    assert leaking_features(rsr.panel).names == (*clean_features(rsr.panel).names, LEVEL)
    day = rsr.panel.dates[500]
    again = leaking_features(rsr.panel.until(day)).values[-1]
    np.testing.assert_array_equal(again, leaking_features(rsr.panel).values[500])


def test_masked_attention_is_linear_in_memory():
    tokens = {n: torch.randn(n, 64, generator=torch.Generator().manual_seed(n)) for n in (200, 800)}
    for kind in ("dense", "complete", "neighbours", "hierarchical"):
        small, large = (
            bench_gat_memory.saved_bytes(bench_gat_memory.cross_section(kind, n, 0, absent=0.1), tokens[n])
            for n in (200, 800)
        )
        assert large < 4.5 * small, kind


def test_a_step_raises_the_peak():
    assert bench_gat_memory.peak_of_step("neighbours", 200, 3, False, 0) >= 0


@pytest.mark.parametrize("attention", ["neighbours", "hierarchical", "dense"])
def test_parts_of_inference_are_the_whole(attention, written):
    command = ["--names", "60", "--train-days", "45", "--epochs", "1", "--repeats", "2", "--threads", "1"]
    assert bench_inference.main([*command, "--attention", attention]) == 0
    line = written["bench_inference"]
    assert line["same_scores"]
    assert line["scored"] > 50
    assert line["targets_reached"] is None
    assert set(line["parts"]) >= {"checkpoint read", "features", "LSTM, one step", "attention and head"}


def test_warm_starts_are_counted(written):
    command = ["--names", "30", "--train-days", "65", "--epochs", "2", "--seeds", "1", "--width", "8"]
    bench_warm_start.main(command)
    line = written["bench_warm_start"]
    cold, warm = line["fits"]["0"]["cold"], line["fits"]["0"]["warm"]
    assert len(cold["valid_ic"]) == len(cold["seconds"]) == 2
    assert warm["seconds"] == sorted(warm["seconds"])
    assert line["goals"]["0"] == pytest.approx(max(cold["valid_ic"]) - 0.005, abs=2e-5)


def test_epochs_to_a_goal():
    cold = bench_warm_start.Course(None, [0.01, 0.03, 0.06, 0.05], [2.0, 4.0, 6.0, 8.0], 0.02)
    warm = bench_warm_start.Course(None, [0.056, 0.05], [3.0, 5.0], 0.02)
    both = bench_warm_start.Pair(cold, warm, tolerance=0.005)
    assert both.ratios == pytest.approx({"epochs": 3.0, "seconds": 2.0, "whole_fit": 1.6})
    missed = bench_warm_start.Pair(cold, bench_warm_start.Course(None, [0.05], [3.0], 0.02), tolerance=0.005)
    assert missed.ratios["epochs"] == missed.ratios["seconds"] == 0.0


def test_the_benchmark_for_gpus_runs_on_a_cpu(written):
    command = "--device cpu --names 60 --days 40 --epochs 1 --batch 2 --cap 120 --width 8 --threads 1"
    assert bench_gpu.main([*command.split(), "--attentions", "none", "neighbours"]) == 0
    line = written["bench_gpu"]
    assert set(line["runs"]) == {f"{kind} {p}" for kind in ("none", "neighbours") for p in ("fp32", "bf16")}
    assert {name: found["names"] for name, found in line["largest"].items()} == dict.fromkeys(
        ("none", "neighbours", "neighbours+recompute"), 120
    )
    assert line["best_possible_ic"] == pytest.approx(0.13, abs=0.04)


def test_the_benchmark_for_gpus_says_where_there_is_none(capsys):
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(SystemExit):
        bench_gpu.main([])
    assert "torch sees no GPU here; run with --device cpu" in capsys.readouterr().err


def test_the_benchmark_for_gpus_needs_torch_and_little_else():
    absent = "ray cvxpy pydantic pandas scipy sklearn pyarrow deltalake exchange_calendars mlflow optuna hmmlearn typer"
    script = (
        "import sys\n"
        f"sys.modules.update(dict.fromkeys({absent.split()}))\n"
        f"sys.path.insert(0, {str(ROOT / 'benchmarks')!r})\n"
        "import bench_gpu\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=ROOT / "tests", env=os.environ
    )
    assert done.returncode == 0, done.stderr
