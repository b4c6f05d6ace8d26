"""Pages of the site that are no files of docs/: the README, the programs, and the reference of every module by rooms.

Links between pages are those that work on the files as they lie in the repository; here they are turned to the site.
"""

import ast
import os
import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

__all__ = ["on_config", "on_files", "on_page_markdown"]

ROOT = Path(__file__).parents[1]
PAGES = {
    "README.md": "index.md",
    "clusters/README.md": "clusters.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "CHANGELOG.md": "changelog.md",
}
"""File of the repository -> page of the site."""
PROGRAMS = "programs.md"


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Add the reference to the navigation: a section for each room, in the order in which data flow."""
    rooms: list[Any] = [{"The package": "api/index.md"}]
    for room in _rooms():
        modules = [{path.stem: _page_of(path)} for path in _modules(room)]
        rooms.append({room.name: [_page_of(room / "__init__.py"), *modules]})
    rooms += [{path.stem: _page_of(path)} for path in _modules(ROOT / "quantray")]
    config.nav.append({"Reference": rooms})
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made of other files."""
    for source, page in PAGES.items():
        files.append(File.generated(config, page, content=(ROOT / source).read_text(encoding="utf-8")))
    files.append(File.generated(config, PROGRAMS, content=_programs()))
    files.append(File.generated(config, "api/index.md", content=_package()))
    for room in _rooms():
        files.append(File.generated(config, _page_of(room / "__init__.py"), content=_room(room)))
    for path in [path for place in (*_rooms(), ROOT / "quantray") for path in _modules(place)]:
        files.append(File.generated(config, _page_of(path), content=f"::: {_dotted(path)}\n"))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn links to files of the repository to their pages; what has none stays as text."""
    if page.is_homepage:
        # The front page is the README, which has no room for such words.
        page.meta["hide"] = ["navigation"]
    made_of = {made: source for source, made in PAGES.items()}
    origin = made_of.get(page.file.src_uri, f"docs/{page.file.src_uri}")

    def turned(link: re.Match[str]) -> str:
        mark, text, target = link.groups()
        path, hash_mark, anchor = target.partition("#")
        if "://" in target or not path:
            return link[0]
        place = posixpath.normpath(posixpath.join(posixpath.dirname(origin), path))
        there = _place_on_site(place)
        if there is None:
            return text if (ROOT / place).exists() else link[0]
        there, _, own = there.partition("#")
        seen_from = posixpath.relpath(there, posixpath.dirname(page.file.src_uri) or ".")
        return f"{mark}[{text}]({seen_from}{'#' if own or hash_mark else ''}{own or anchor})"

    parts = re.split(r"(^```.*?^```)", markdown, flags=re.M | re.S)
    parts[::2] = [re.sub(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)", turned, part) for part in parts[::2]]
    return "".join(parts)


def _place_on_site(place: str) -> str | None:
    """The page, and the place on it, of a file or folder of the repository."""
    path = ROOT / place
    if place in PAGES:
        return PAGES[place]
    if place.startswith("docs/"):
        return place.removeprefix("docs/")
    if place.startswith("quantray/"):
        return _page_of(path / "__init__.py" if path.is_dir() else path)
    if place.startswith("workflows/") and path.is_file():
        return f"{PROGRAMS}#{path.stem}"
    return None


def _rooms() -> list[Path]:
    """The rooms, in the order that the package's own map gives; what it does not name comes last."""
    order = re.findall(
        r"\w+", "".join(re.findall(r"``([^`]*->[^`]*)``", _docstring(ROOT / "quantray/__init__.py") or ""))
    )
    rooms = [path.parent for path in (ROOT / "quantray").glob("*/__init__.py")]
    return sorted(rooms, key=lambda room: (order.index(room.name) if room.name in order else len(order), room.name))


def _modules(place: Path) -> list[Path]:
    return sorted(path for path in place.glob("*.py") if not path.stem.startswith("_"))


def _dotted(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _page_of(path: Path) -> str:
    inside = path.relative_to(ROOT / "quantray").with_suffix(".md").as_posix()
    return "api/" + inside.replace("__init__", "index")


def _docstring(path: Path) -> str:
    return ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""


def _first_sentence(path: Path) -> str:
    return re.split(r"(?<=[.])\s", _docstring(path).split("\n\n")[0].replace("\n", " "))[0].rstrip(":")


def _package() -> str:
    rows = [(room.name, f"{room.name}/index.md", room / "__init__.py") for room in _rooms()]
    return _overview("quantray", rows + [(path.stem, f"{path.stem}.md", path) for path in _modules(ROOT / "quantray")])


def _room(room: Path) -> str:
    return _overview(_dotted(room / "__init__.py"), [(path.stem, f"{path.stem}.md", path) for path in _modules(room)])


def _overview(package: str, rows: list[tuple[str, str, Path]]) -> str:
    """A package's docstring, and a table of what is in it."""
    table = [f"| [{name}]({page}) | {_first_sentence(path)} |" for name, page, path in rows]
    return "\n".join([f"::: {package}", "    options: {members: false}", "", "| | holds |", "|---|---|", *table, ""])


def _programs() -> str:
    """Every program and every commented settings file, as they are."""
    out = ["# Programs and settings", "", "As they lie in `workflows/`, and as `quantray init` writes them."]
    for folder, pattern, language in (("workflows", "*.py", "python"), ("workflows/configs", "*.yaml", "yaml")):
        for path in sorted((ROOT / folder).glob(pattern)):
            text = path.read_text(encoding="utf-8").rstrip()
            title = os.path.relpath(path, ROOT)
            out += ["", f"## {title} {{#{path.stem}}}", "", f"```{language}", text, "```"]
    return "\n".join(out) + "\n"
