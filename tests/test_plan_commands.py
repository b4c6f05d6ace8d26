"""``quantray plan``, typed."""

import json
from pathlib import Path

import pytest
import yaml
from command_line import quantray, refused

STUDY = {
    "kind": "portfolios",
    "name": "planned",
    "data": {"kind": "simulated", "n_assets": 20, "n_days": 400, "seed": 1},
    "allocators": [{"name": "Equal", "rule": "equal_weight"}, {"name": "Risk", "rule": "inverse_volatility"}],
    "benchmark": "Equal",
    "folds": {"lookback_days": 60, "test_days": 60},
    "cluster": {"kind": "serial"},
    "resampling": {"samples": 100},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("planned")
    (place / "s.yaml").write_text(yaml.safe_dump(STUDY))
    return place


def test_a_plan_of_this_machine_says_what_a_study_takes_and_leaves_nothing(folder):
    prices = Path(__file__).parents[1] / "clusters" / "prices.yaml"
    done = quantray("plan", "s.yaml", "--calibrate", "0", "--prices", prices, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "USD, by prices of 2026-11-27" in done.stdout
    for words in ("decisions Equal", "memory in all", "disk", "requirement's formula", "96 GB for 0.01 billion"):
        assert words in done.stdout
    assert [path.name for path in folder.iterdir()] == ["s.yaml"]


def test_a_cluster_that_is_not_here_is_planned_for_and_refused_where_it_is_too_small(folder):
    there = ("--workers", "2", "--cpus", "4", "--memory", "0.1")
    done = quantray("plan", "s.yaml", "--calibrate", "0", "--json", *there, cwd=folder)
    refused(done, 2, "planned does not fit: 4 at a time need", "take a machine with")
    found = json.loads(done.stdout)
    assert found["in_one_process"]["units"] == 12
    assert (found["fitted"]["workers"], len(found["fitted"]["refusals"])) == (8, 1)
    assert found["worker_bytes"] > 2**26
    refused(quantray("plan", "s.yaml", *there[:2], cwd=folder), 2, "give all three")
