"""What the reference makes of our docstrings: items of a section are described on their own line, as ``name : what``.

numpydoc calls what stands there a type. Types are in the signature, so here it is the description.
"""

import re
from typing import Any

import griffe

__all__ = ["DescribedInLine"]

_ITEM = re.compile(r"^(?:\w[\w, *]* : .*|[\w, ]+\n[ \t]+\S.*|[ \t].*)", re.S)
_SECTION = re.compile(r"^(Parameters|Attributes|Returns|Yields|Raises)\n-+\n(.*?)(?=\n\n|\Z)", re.M | re.S)


class DescribedInLine(griffe.Extension):
    """Rewrites docstrings before they are parsed."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """Every object with a docstring."""
        if obj.docstring:
            obj.docstring.value = rewritten(obj.docstring.value)


def rewritten(text: str) -> str:
    """The docstring in the form that griffe reads.

    Blocks of code that ``::`` begins and aligned lists of names stay what they look like.
    """
    first = _SECTION.search(text)
    if first:
        # A section lasts until the next one; so what follows the last, such as a source, goes before the first.
        paragraphs = text[first.start() :].split("\n\n")
        after = [part for part in paragraphs if not _SECTION.match(part) and not _ITEM.match(part)]
        kept = [part for part in paragraphs if part not in after]
        text = "\n\n".join([*(part for part in [text[: first.start()].rstrip(), *after] if part), *kept])
    text = _SECTION.sub(lambda found: _section(found[1], found[2]), text)
    text = re.sub(r"^``(\S+)`` {2,}(?=\S)", r"- ``\1``: ", text, flags=re.M)
    return re.sub(r":{2}$", ":", text, flags=re.M).removeprefix(":\n")


def _section(title: str, body: str) -> str:
    if title in ("Parameters", "Attributes"):
        body = re.sub(r"^(\w[\w, *]*?) : (.*(?:\n[ \t]+.*)*)", _item, body, flags=re.M)
    elif title in ("Returns", "Yields") and not re.search(r"^\S.*\n[ \t]", body, flags=re.M):
        # One sentence that stands where a type would.
        body = ":\n    " + body.replace("\n", "\n    ")
    return f"{title}\n{'-' * len(title)}\n{body}"


def _item(found: re.Match[str]) -> str:
    text = "\n".join(f"    {line.strip()}" for line in found[2].splitlines())
    return f"{found[1]}\n{text}"
