"""The README keeps its word: its Python runs, its links and settings exist; for its commands see ``test_commands``."""

import re
import shlex
from pathlib import Path

import pytest
import yaml

from quantray.data.checks import CHECKS
from quantray.data.formats import Format
from quantray.data.quality import QualitySettings
from quantray.research.market import UniverseSettings
from quantray.settings import read_settings
from quantray.studies.portfolios.settings import PortfolioSettings

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "clusters" / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
TEXT = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
WORDS = {12: "Twelve", 13: "Thirteen", 14: "Fourteen", 15: "Fifteen", 16: "Sixteen", 22: "Twenty-two"}


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, flags=re.MULTILINE | re.DOTALL)


@pytest.mark.slow
@pytest.mark.parametrize("source", blocks("python"), ids=lambda source: source.split("\n")[0][:40])
def test_python_runs_and_prints_something(source, user):
    done = user.run("python", "-c", source)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    targets = re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8"))
    assert [target for target in targets if "://" not in target and not (page.parent / target).exists()] == []


def test_yaml_is_valid_settings():
    quality, universes, form = blocks("yaml")
    Format.model_validate(yaml.safe_load(form))
    QualitySettings.model_validate(yaml.safe_load(quality))
    for line in universes.splitlines():
        UniverseSettings.model_validate(yaml.safe_load(line)["universe"]).build()
    assert f"{WORDS[len(CHECKS)]} checks" in TEXT


def test_changes_in_the_text_can_be_made():
    prose = re.sub(r"^```.*?^```", "", TEXT, flags=re.M | re.S)
    changes = {span: shlex.split(span)[1::2] for span in re.findall(r"`(--set [^`\n]+)`", prose)}
    changes.pop("--set a.b=value")
    assert len(changes) >= 4
    for change in changes.values():
        read_settings(PortfolioSettings, ROOT / "workflows" / "configs" / "sp400.yaml", change)
