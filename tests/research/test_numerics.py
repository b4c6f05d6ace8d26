"""Kernels by the name of what is loaded: the same ones give the same bits, and others other keys."""

import json
import os
import platform
import subprocess
import sys

import numpy as np
import pytest

from quantray.errors import InputError
from quantray.research import numerics
from quantray.research.numerics import NumericsClass, numerics_class, portable_variables, require_numerics

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="kernels of x86-64")

ENVIRONMENTS = [{}, {"OPENBLAS_CORETYPE": "Haswell"}, {"OPENBLAS_CORETYPE": "Sandybridge"}]
LOOPS = {"NPY_DISABLE_CPU_FEATURES": portable_variables()["NPY_DISABLE_CPU_FEATURES"]}

DEMO = """
import json, sys, tempfile
from quantray.research.numerics import numerics_class, require_numerics, restart_portable
choice = sys.argv[1]
if choice == "portable":
    restart_portable()
require_numerics(choice)
from quantray.research.market import SimulatedData
from quantray.research.terms import ClusterSettings
from quantray.studies.portfolios.settings import FoldSettings, demo_settings
from quantray.research.executor import Serial
from quantray.studies.portfolios.study import load_portfolios, run_portfolios
from quantray.studies.portfolios.trial import study_trials
from quantray.studies.portfolios.trial import trial_key
with tempfile.TemporaryDirectory() as runs:
    changes = {
        "data": SimulatedData(n_assets=30, n_days=400, seed=11),
        "folds": FoldSettings(lookback_days=126, test_days=126),
        "cluster": ClusterSettings(kind="serial"),
        "runs": runs,
    }
    source = load_portfolios(demo_settings().model_copy(update=changes))
    study = run_portfolios(source, Serial())
trial = study_trials(source.settings, source.panel)["HRP"][0]
key = trial_key(source.panel, trial)
print(json.dumps({"digest": study.digest, "class": str(numerics_class()), "key": key}))
"""

NETWORK = """
import sys
from quantray.research.numerics import numerics_class, require_numerics, restart_portable
if sys.argv[1] == "portable":
    restart_portable()
require_numerics(sys.argv[1], torch=True)
import torch
from quantray.arrays import digest
torch.manual_seed(0)
torch.set_num_threads(1)
a = torch.rand(300, 200)
net = torch.nn.Sequential(torch.nn.LSTM(200, 32, batch_first=True))
out = torch.softmax(a @ a.T, dim=1) @ torch.tanh(a)
print(digest([out.numpy(), net(a[None])[0][0].detach().numpy()]), "|", numerics_class(torch=True))
"""


def said(script, choice, variables):
    clean = {name: value for name, value in os.environ.items() if name not in portable_variables()}
    environment = clean | {"OMP_NUM_THREADS": "1"} | variables
    command = [sys.executable, "-c", script, choice]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def native():
    return [json.loads(said(DEMO, "native", variables)) for variables in ENVIRONMENTS]


@pytest.fixture(scope="module")
def portable():
    return [json.loads(said(DEMO, "portable", variables)) for variables in ({}, ENVIRONMENTS[2] | LOOPS)]


@pytest.mark.slow
def test_a_study_with_portable_numerics_is_the_same_wherever_it_starts(portable):
    assert portable[0] == portable[1]
    assert portable[0]["class"] == "Haswell, AVX2"


@pytest.mark.slow
def test_other_kernels_have_other_keys_and_equal_ones_equal_digests(native, portable):
    """Where there is AVX-512, the second of the native ones differs from the portable ones in numpy's loops alone."""
    for one in native + portable:
        for other in native + portable:
            assert (one["key"] == other["key"]) == (one["class"] == other["class"])
            if one["class"] == other["class"]:
                assert one["digest"] == other["digest"]
    assert {"Sandybridge", "Haswell"} <= {found["class"].partition(",")[0] for found in native}


@pytest.mark.slow
def test_torch_with_portable_numerics_is_the_same_wherever_it_starts():
    found = [said(NETWORK, "portable", v) for v in ({}, {"ATEN_CPU_CAPABILITY": "default", "MKL_CBWR": "AVX512"})]
    assert found[0] == found[1]
    assert "Haswell, AVX2, torch AVX2, MKL AVX2, oneDNN AVX2" in found[0]


def test_a_class_reads_in_a_few_words():
    assert str(NumericsClass("SkylakeX", "AVX512", "AVX512")) == "SkylakeX, AVX512, torch AVX512"
    assert str(NumericsClass("SkylakeX and Haswell", "AVX2")) == "SkylakeX and Haswell, AVX2"
    assert numerics_class().torch == ""
    assert str(numerics_class(torch=True)).startswith(f"{numerics_class()}, torch ")


def test_the_class_names_the_loops_that_are_loaded():
    features = np.lib.introspect.opt_func_info(func_name="^exp$", signature="float64")["exp"]["dd"]["current"]
    expected = {"AVX512": "X86_V4" in features or "AVX512_SKX" in features, "AVX2": "V3" in features}
    assert expected.get(numerics_class().simd, True)


def test_portable_is_refused_with_what_to_set(monkeypatch):
    monkeypatch.setattr(numerics, "numerics_class", lambda torch: NumericsClass("SkylakeX", "AVX512", "AVX512" * torch))
    for choice in ("native", "any"):
        require_numerics(choice)
    with pytest.raises(InputError, match="computes with SkylakeX, AVX512; start it .* OPENBLAS_CORETYPE='Haswell'"):
        require_numerics("portable")
    foreign = NumericsClass("Haswell", "AVX2", "AVX2, MKL AVX2, oneDNN AVX2, on AuthenticAMD")
    monkeypatch.setattr(numerics, "numerics_class", lambda torch: foreign)
    require_numerics("portable", torch=True)


@pytest.mark.parametrize(
    ("release", "feature"), [("2.1.3", "AVX512_SKX"), ("2.3.0", "AVX512_SKX"), ("2.10.0", "X86_V4")]
)
def test_numpys_features_are_called_as_its_release_calls_them(monkeypatch, release, feature):
    monkeypatch.setattr(numerics, "version", lambda name: release)
    assert feature in portable_variables()["NPY_DISABLE_CPU_FEATURES"].split()


def test_variables_that_the_process_has_are_passed_on(monkeypatch):
    for name in portable_variables():
        monkeypatch.delenv(name, raising=False)
    assert numerics.fixed_variables() == {}
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Zen")
    assert numerics.fixed_variables() == {"OPENBLAS_CORETYPE": "Zen"}


def test_a_program_starts_again_once(monkeypatch):
    started = []
    monkeypatch.setattr(os, "execve", lambda *words: started.append(words))
    monkeypatch.setattr(sys, "orig_argv", ["python", "-m", "quantray", "demo"])
    for name in portable_variables():
        monkeypatch.delenv(name, raising=False)
    numerics.restart_portable()
    ((program, words, environment),) = started
    assert (program, words[1:]) == (sys.executable, ["-m", "quantray", "demo"])
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    numerics.restart_portable()
    assert len(started) == 1
