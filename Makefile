# Each of these needs nothing but Python 3.11 or newer: it sets up .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# What Python compiles, its tests among it, it keeps for the processes beside it and after it.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test test-fix fix-wheel lint docs pictures release-check bench mutation clean

# The stamp is newer than the files that say what to install, or the set-up runs again.
$(VENV)/.installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

demo: $(VENV)/.installed
	$(BIN)/quantray demo

# What goes to which process says `tests/conftest.py`.
test: $(VENV)/.installed
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n logical --dist loadgroup --no-loadscope-reorder

# QuickFIX is compiled first, which takes minutes.
$(VENV)/.fix: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[fix]'
	touch $@

test-fix: $(VENV)/.fix
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -m fix

# Compiles QuickFIX for pip's cache, from which it is installed later: beside something that leaves a core idle.
fix-wheel: $(VENV)/.installed
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps -c constraints.txt -w build/wheels quickfix

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

$(VENV)/.docs: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[docs]'
	touch $@

docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

# Needs Chromium, such as `apt-get install chromium`.
pictures: $(VENV)/.installed
	$(BIN)/python docs/pictures.py

release-check: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[release]'
	rm -rf dist
	$(BIN)/python -m build
	$(BIN)/python -m twine check --strict dist/*
	WHEEL=$$(ls dist/*.whl) $(BIN)/python -m pytest -q tests/test_release.py

bench: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[bench]'
	$(BIN)/python benchmarks/bench_hrp.py
	$(BIN)/python benchmarks/bench_mvo.py
	$(BIN)/python benchmarks/bench_risk_parity.py
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/bench_risk.py
	$(BIN)/python benchmarks/bench_plan.py
	$(BIN)/python benchmarks/bench_allocators.py
	$(BIN)/python benchmarks/bench_forecasters.py
	$(BIN)/python benchmarks/bench_factor_bias.py
	$(BIN)/python benchmarks/bench_structured.py
	$(BIN)/python benchmarks/bench_many_accounts.py
	$(BIN)/python benchmarks/bench_multi_period.py
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/bench_schedule.py
	$(BIN)/python benchmarks/bench_multi_period_backtest.py
	$(BIN)/python benchmarks/bench_spread_trades.py
	$(BIN)/python benchmarks/bench_walk_forward.py
	$(BIN)/python benchmarks/bench_hrp_large.py
	$(BIN)/python benchmarks/bench_gat_memory.py
	$(BIN)/python benchmarks/bench_layers.py
	$(BIN)/python benchmarks/bench_rsr.py
	$(BIN)/python benchmarks/bench_inference.py
	$(BIN)/python benchmarks/bench_warm_start.py
	$(BIN)/python benchmarks/bench_regimes.py
	$(BIN)/python benchmarks/bench_lens_timeframes.py
	$(BIN)/python benchmarks/bench_episodes.py
	$(BIN)/python benchmarks/bench_regime_ensemble.py
	$(BIN)/python benchmarks/bench_replay.py
	$(BIN)/python benchmarks/bench_var_choice.py
	$(BIN)/python benchmarks/bench_coverage.py
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/bench_attribution.py
	$(BIN)/python benchmarks/bench_why.py
	$(BIN)/python benchmarks/bench_outlook.py
	$(BIN)/python benchmarks/bench_formats.py
	$(BIN)/python benchmarks/bench_damage.py
	$(BIN)/python benchmarks/bench_monitor.py
	$(BIN)/python benchmarks/bench_protection.py
	$(BIN)/python benchmarks/bench_phases.py

# Hours over whole rooms; the outcomes known so far are kept, so it may be stopped.
MUTATION ?= backtest research analytics strategies --sample 200
mutation: $(VENV)/.installed
	$(BIN)/python benchmarks/bench_mutation.py $(MUTATION)

clean:
	rm -rf $(VENV) runs site dist build .pytest_cache .mypy_cache .ruff_cache
