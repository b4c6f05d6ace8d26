import ast
import subprocess
import sys
from pathlib import Path

import pytest

import quantray

PACKAGE = Path(quantray.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))
HEAVY = ("ray", "torch", "mlflow", "cvxpy", "fastapi")


def run(*command):
    return subprocess.run([sys.executable, *command], cwd=PACKAGE.parent, capture_output=True, text=True, check=False)


def test_importing_the_package_loads_nothing_heavy():
    done = run("-c", f"import sys, quantray; print([name for name in {HEAVY} if name in sys.modules])")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def test_help_loads_nothing_that_it_does_not_show():
    heavy = (*HEAVY, "numpy", "pandas", "plotly")
    done = run("-c", f"import sys, quantray.cli; print([name for name in {heavy} if name in sys.modules])")
    assert done.stdout.strip() == "[]", done.stderr


def test_a_study_starts_without_what_few_need():
    few = (*HEAVY, "sklearn", "scipy.stats")
    script = f"import sys, quantray.studies.portfolios.kind; print([name for name in {few} if name in sys.modules])"
    done = run("-W", "ignore", "-c", script)
    assert done.stdout.strip() == "[]", done.stderr


@pytest.mark.slow
def test_nothing_but_distributed_and_the_deployment_loads_ray():
    rooms = [
        ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
        for path in MODULES
        if path.stem not in {"__init__", "__main__", "cli", "deployment"} and "distributed" not in path.parts
    ]
    done = run("-W", "ignore", "-c", f"import sys, {', '.join(rooms)}; print('ray' in sys.modules)")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "False"


@pytest.mark.slow
def test_rooms_import_only_from_their_left():
    done = run("-c", "from importlinter.cli import lint_imports_command; lint_imports_command()")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_every_module_says_what_it_holds(path):
    tree = ast.parse(path.read_text())
    assert ast.get_docstring(tree), f"{path} has no docstring"
    names = [
        t.id for node in tree.body if isinstance(node, ast.Assign) for t in node.targets if isinstance(t, ast.Name)
    ]
    if path.name == "__init__.py" and path.parent != PACKAGE:
        assert len(tree.body) == 1, f"{path} must be a docstring only"
    elif path.name not in {"__init__.py", "__main__.py"}:
        assert "__all__" in names, f"{path} has no __all__"
