"""The pages keep their word: Python runs, links lead somewhere, settings are valid; ``test_commands`` has the rest."""

import re
import runpy
import shlex
import sys
from dataclasses import asdict
from pathlib import Path

import pytest
import yaml
from command_line import called
from pydantic import TypeAdapter

from quantray.daily.settings import LearningSettings
from quantray.data.quality.checks import CHECKS
from quantray.data.quality.treatment import QualitySettings
from quantray.data.vendors.formats import Format
from quantray.institution.rules import read_rules
from quantray.oms.running import OmsSettings
from quantray.regimes.lens_settings import LensSettings
from quantray.research.market import SimulatedData, UniverseSettings
from quantray.research.terms import TradingCostSettings
from quantray.risk.stressing.scenarios import Scenario
from quantray.serving.alerts import AlertSettings
from quantray.serving.settings import ServiceSettings
from quantray.settings import read_settings
from quantray.studies.forecasts.settings import FeatureSettings, ModelSettings
from quantray.studies.portfolios.settings import AllocatorSettings, PortfolioSettings
from quantray.studies.sweep.settings import SweepSettings

ROOT = Path(__file__).parents[1]
PAGES = [
    *(ROOT / name for name in ("README.md", "clusters/README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
TEXT = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
WORDS = {12: "Twelve", 13: "Thirteen", 14: "Fourteen", 15: "Fifteen", 16: "Sixteen", 22: "Twenty-two"}


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, flags=re.MULTILINE | re.DOTALL)


@pytest.mark.slow
@pytest.mark.parametrize("source", blocks("python"), ids=lambda source: source.split("\n")[0][:40])
def test_python_runs_and_prints_something(source, tmp_path):
    # In a module of its own, which knows only what the block imports.
    (tmp_path / "block.py").write_text(source)
    # Whoever imports from "." would look in the folder of the block before.
    sys.path_importer_cache.pop(".", None)
    done = called(lambda: runpy.run_path("block.py", run_name="__main__"), ["block.py"], tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    targets = re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8"))
    assert [target for target in targets if "://" not in target and not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_places_on_pages_are_there(page):
    """Links such as ``data.md#formats`` name a heading; ``make docs`` looks at them, too."""
    for target, anchor in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", page.read_text(encoding="utf-8")):
        text = (page.parent / target if target else page).read_text(encoding="utf-8")
        headings = [re.sub(r"[^\w -]", "", line).strip().lower() for line in re.findall(r"^#+ (.+)$", text, re.M)]
        assert anchor in [heading.replace(" ", "-") for heading in headings]


def test_every_page_can_be_reached():
    """From the README, link by link; mkdocs refuses a page that its navigation does not name."""
    seen, ahead = set(), [ROOT / "README.md"]
    while ahead:
        page = ahead.pop()
        if page in seen:
            continue
        seen.add(page)
        targets = re.findall(r"\]\(([^)#:]+\.md)", page.read_text(encoding="utf-8"))
        ahead += [(page.parent / target).resolve() for target in targets]
    assert set(PAGES) <= seen


def test_pictures_are_small():
    sizes = {path.name: path.stat().st_size for path in (ROOT / "docs" / "pictures").glob("*.png")}
    assert sizes
    assert {name: size for name, size in sizes.items() if not 5_000 < size <= 250_000} == {}


def test_yaml_is_valid_settings(tmp_path):
    for block in blocks("yaml"):
        title = block.split("\n")[0]
        if title == "# house.yaml":
            Format.model_validate(yaml.safe_load(block))
        elif title == "# quality.yaml":
            QualitySettings.model_validate(yaml.safe_load(block))
        elif title == "# alerts.yaml":
            AlertSettings.model_validate(yaml.safe_load(block))
        elif title == "# in the settings of a rebalance":
            LearningSettings.model_validate(yaml.safe_load(block)["training"])
        elif title == "# service.yaml":
            ServiceSettings.model_validate(yaml.safe_load(block))
        elif title == "# oms.yaml":
            OmsSettings.model_validate(yaml.safe_load(block))
        elif title == "# scenarios.yaml":
            for terms in yaml.safe_load(block).values():
                Scenario.model_validate(terms)
        elif title == "rules:":
            (tmp_path / "rules.yaml").write_text(block)
            assert read_rules(tmp_path / "rules.yaml")
        elif title == "# allocators":
            for allocator in yaml.safe_load(block):
                AllocatorSettings.model_validate(allocator)
        elif title == "# features":
            for feature in yaml.safe_load(block):
                TypeAdapter(FeatureSettings).validate_python(feature)
        elif title == "# universe":
            UniverseSettings.model_validate(yaml.safe_load(block)).build()
        elif title == "# costs":
            TradingCostSettings.model_validate(yaml.safe_load(block))
        elif title == "# strategies":
            SweepSettings(name="all", data=SimulatedData(), strategies=yaml.safe_load(block))
        elif title == "# models":
            for model in yaml.safe_load(block):
                ModelSettings.model_validate(model)
        elif title == "# lenses":
            shown = {
                name: tuple(v) if isinstance(v, list) else v for name, v in yaml.safe_load(block)["lenses"].items()
            }
            assert shown == asdict(LensSettings())
        else:
            for line in block.splitlines():
                UniverseSettings.model_validate(yaml.safe_load(line)["universe"]).build()
    assert len(blocks("yaml")) == 18
    assert f"{WORDS[len(CHECKS)]} checks" in TEXT


def test_changes_in_the_text_can_be_made():
    prose = re.sub(r"^```.*?^```", "", TEXT, flags=re.M | re.S)
    changes = {span: shlex.split(span)[1::2] for span in re.findall(r"`(--set [^`\n]+)`", prose)}
    changes.pop("--set a.b=value")
    assert len(changes) >= 4
    for change in changes.values():
        read_settings(PortfolioSettings, ROOT / "workflows" / "configs" / "sp400.yaml", change)
