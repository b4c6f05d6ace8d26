"""The README keeps its word: its Python runs, its commands, files and settings exist."""

import re
import shlex
from pathlib import Path

import pytest
import yaml
from typer.main import get_command
from typer.testing import CliRunner

from quantray.cli import app
from quantray.data.checks import CHECKS
from quantray.data.quality import QualitySettings
from quantray.research.config import UniverseSettings

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "clusters" / "README.md"]
TEXT = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
WORDS = {12: "Twelve", 13: "Thirteen", 14: "Fourteen", 15: "Fifteen", 16: "Sixteen"}


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, flags=re.MULTILINE | re.DOTALL)


def command_lines() -> list[str]:
    """Commands in blocks, with continued lines joined and comments cut, and those in running text."""
    lines = [line for block in blocks("bash") for line in block.replace("\\\n", " ").splitlines()]
    inline = re.findall(r"`((?:quantray|make) [^`\n]+)`", re.sub(r"^```.*?^```", "", TEXT, flags=re.M | re.S))
    return sorted({line.partition(" #")[0].strip() for line in [*lines, *inline]} - {""})


QUANTRAY = [line for line in command_lines() if line.startswith("quantray ")]


@pytest.mark.slow
@pytest.mark.parametrize("source", blocks("python"), ids=lambda source: source.split("\n")[0][:40])
def test_python_runs(source, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(compile(source, "README.md", "exec"), {"__name__": "readme"})


def test_something_is_checked():
    assert len(blocks("python")) >= 2
    assert len(QUANTRAY) >= 10


@pytest.mark.parametrize("line", QUANTRAY)
def test_command_exists(line):
    words = shlex.split(line)[1:]
    command, path = get_command(app), []
    while words and words[0] in getattr(command, "commands", {}):
        path.append(words.pop(0))
        command = command.commands[path[-1]]
    assert path
    assert not hasattr(command, "commands"), f"{line!r} names no verb"
    known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    asked = {word.partition("=")[0] for word in words if word.startswith("--")} - {"--debug"}
    assert asked <= known
    result = CliRunner().invoke(app, [*path, "--help"])
    assert result.exit_code == 0, result.output


def test_workflows_configs_and_targets_exist():
    for line in command_lines():
        words = shlex.split(line)
        if words[0] in ("python", "quantray"):
            missing = [word for word in words if word.startswith("workflows/") and not (ROOT / word).is_file()]
            assert not missing
        if words[0] == "make":
            assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=["README", "clusters"])
def test_links_lead_somewhere(page):
    targets = re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8"))
    assert [target for target in targets if "://" not in target and not (page.parent / target).exists()] == []


def test_yaml_is_valid_settings():
    quality, universes = blocks("yaml")
    QualitySettings.model_validate(yaml.safe_load(quality))
    for line in universes.splitlines():
        UniverseSettings.model_validate(yaml.safe_load(line)["universe"]).build()
    assert f"{WORDS[len(CHECKS)]} checks" in TEXT
