"""The site says what docstrings and links say; `make docs` builds it and refuses links that lead nowhere."""

import importlib.util
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).parents[1]
pytest.importorskip("mkdocs", reason="needs the extra `docs`, which `make docs` installs")


def module(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


DOCSTRING = """Weights that split capital.

Parameters
----------
fast, slow : days of the averages;
    the first is shorter.
limit : largest weight.

Returns
-------
(N,) weights that sum to one,
or fewer.

Raises
------
InputError
    The shapes disagree.

Source: Jorion (2007), ch. 7.
"""


def test_sections_of_docstrings_are_read_as_descriptions():
    griffe = pytest.importorskip("griffe")
    text = module("docstrings").rewritten(DOCSTRING)
    sections = {part.kind.value: part.value for part in griffe.Docstring(text).parse("numpy", warnings=False)}
    assert sections["text"] == "Weights that split capital.\n\nSource: Jorion (2007), ch. 7."
    described = {item.name: item.description for item in sections["parameters"]}
    days = "days of the averages;\nthe first is shorter."
    assert described == {"fast": days, "slow": days, "limit": "largest weight."}
    assert sections["returns"][0].description.rstrip() == "(N,) weights that sum to one,\nor fewer."
    assert [(item.annotation, item.description) for item in sections["raises"]] == [
        ("InputError", "The shapes disagree.")
    ]


def test_aligned_names_become_a_list():
    text = module("docstrings").rewritten("The room.\n\n``net``    net returns\n``drift``  weights later\n")
    assert text.split("\n\n")[1] == "- ``net``: net returns\n- ``drift``: weights later\n"


@pytest.mark.parametrize(
    ("page", "link", "turned"),
    [
        ("index.md", "[data](docs/data.md#formats)", "[data](data.md#formats)"),
        ("index.md", "![report](docs/pictures/sweep.png)", "![report](pictures/sweep.png)"),
        ("studies.md", "[Ray](../clusters/README.md#shared-storage)", "[Ray](clusters.md#shared-storage)"),
        ("clusters.md", "[speed](../docs/benchmarks.md)", "[speed](benchmarks.md)"),
        ("architecture.md", "[room](../quantray/data)", "[room](api/data/index.md)"),
        ("architecture.md", "[errors](../quantray/errors.py)", "[errors](api/errors.md)"),
        ("architecture.md", "[program](../workflows/walk_forward.py)", "[program](programs.md#walk_forward)"),
        ("portfolios.md", "[notebook](../notebooks/01_walk_forward.ipynb)", "notebook"),
        ("index.md", "[elsewhere](https://semver.org)", "[elsewhere](https://semver.org)"),
        ("index.md", "[nowhere](docs/nowhere.md)", "[nowhere](nowhere.md)"),
        ("index.md", "[nowhere](nowhere.py)", "[nowhere](nowhere.py)"),
        ("index.md", "```python\nx[0](y)\n```", "```python\nx[0](y)\n```"),
    ],
)
def test_links_are_turned_to_the_pages_of_the_site(page, link, turned):
    seen = SimpleNamespace(file=SimpleNamespace(src_uri=page), is_homepage=False, meta={})
    assert module("site_pages").on_page_markdown(link, seen, None, None) == turned


def test_every_module_has_a_page_and_every_program_a_place():
    pages = module("site_pages")
    config = SimpleNamespace(nav=[])
    rooms = pages.on_config(config).nav[0]["Reference"]
    named = str(rooms)
    for path in (ROOT / "quantray").rglob("*.py"):
        if not path.stem.startswith("_"):
            assert f"'api/{path.relative_to(ROOT / 'quantray').with_suffix('.md')}'" in named
    assert [next(iter(room)) for room in rooms[1:6]] == ["storage", "data", "data/quality", "data/vendors", "features"]
    assert all(f"{{#{path.stem}}}" in pages._programs() for path in (ROOT / "workflows").rglob("*.yaml"))
