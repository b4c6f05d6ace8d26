"""What a file defines and which names its code reads, from a package written here."""

import ast

import pytest

from quantray.research.definitions import Imported, chain_of, package_ground, read_code, read_module


@pytest.fixture
def package(tmp_path):
    def package(text):
        root = tmp_path / "toy"
        root.mkdir()
        (root / "__init__.py").write_text("")
        (root / "one.py").write_text(text)
        return package_ground(root)

    return package


def code(text):
    return read_code(ast.parse(text), "toy")


def test_a_module_has_definitions_and_imports(package):
    module = read_module(
        package("import numpy as np\nfrom toy.two import f as g\nA = 1\ndef h(x):\n    return x\n"), "toy.one"
    )
    assert module.package == "toy"
    assert module.imports == {"np": [Imported("numpy")], "g": [Imported("toy.two", "f")]}
    assert set(module.definitions) == {"A", "h"}


def test_a_name_that_is_changed_later_is_defined_by_both(package):
    module = read_module(package("A = [1]\nA[0] = 2\nB = 2\n"), "toy.one")
    assert len(module.definitions["A"]) == 2
    assert len(module.definitions["B"]) == 1


def test_no_file_is_no_module(package):
    assert read_module(package(""), "toy.two") is None


def test_comments_and_docstrings_are_no_code():
    bare = "def f(x):\n    return x + 1\n"
    told = 'def f(x):\n    """Add one."""\n    # As said.\n    return x + 1\n'
    assert code(told).text == code(bare).text
    assert code(told).text != code(bare.replace("+ 1", "+ 2")).text


def test_names_are_read_with_their_attributes():
    reading = code("def f(x):\n    return np.linalg.norm(x) + SCALE\n")
    assert {("np", "linalg", "norm"), ("SCALE",)} <= reading.chains


def test_chains():
    assert chain_of(ast.parse("np.linalg.norm", mode="eval").body) == ("np", "linalg", "norm")
    assert chain_of(ast.parse("f(x).real", mode="eval").body) is None


def test_what_a_statement_binds_is_defined_by_it(package):
    text = "try:\n    A = 1\nexcept KeyError as why:\n    B = why\nwith open('x') as f:\n    C = f\n"
    assert {"A", "why", "B", "f", "C"} <= set(read_module(package(text), "toy.one").definitions)
