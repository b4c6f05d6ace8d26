"""The one page that reports are: what stands on it as plain values, kept as JSON, and its HTML that opens offline."""

import json
import math
import re
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from importlib.resources import files
from typing import Annotated, Any, Literal

import jinja2
import numpy as np
from plotly.offline import get_plotlyjs
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from quantray.analytics.bootstrap import Estimate
from quantray.analytics.drawing import Drawing
from quantray.analytics.figures import Picture
from quantray.printable import each_text, masked_addresses, printable

__all__ = [
    "Cell",
    "Chart",
    "Column",
    "Note",
    "Page",
    "Rows",
    "Section",
    "Table",
    "chart",
    "concluded",
    "money",
    "ranged",
    "shown",
    "signed",
]

_CARTESIAN = frozenset(
    ("bar", "box", "contour", "heatmap", "histogram", "histogram2d", "histogram2dcontour", "image", "pie")
) | {"scatter", "scatterternary", "violin"}
"""Traces that plotly.js's cartesian bundle draws."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Cell(_Part):
    """What stands in one place of a table; a plain text does where nothing else is to be said."""

    text: str
    below: str = ""
    """In small print under the text, such as an interval."""
    hint: str = ""
    """In small print beside the text."""
    best: bool = False
    colour: str = ""
    """Of a patch before the text, which tells whose line it is in the pictures."""


class Column(_Part):
    """The head of a column."""

    title: str
    text: bool = False
    """Whether it holds words, which stand to the left, rather than numbers; the first column always does."""
    colour: str = ""


class Rows(_Part):
    """Rows that belong together, under a line of their own where they have a title."""

    title: str = ""
    rows: tuple[tuple[str | Cell, ...], ...]


class Table(_Part):
    """Names against numbers."""

    kind: Literal["table"] = "table"
    title: str = ""
    """Over the table on a terminal."""
    columns: tuple[str | Column, ...]
    groups: tuple[Rows, ...]
    dense: bool = False
    """Whether it has many columns or long words and is set smaller."""
    folded: str = ""
    """Words to click on before it is seen; empty where it is seen at once."""

    @model_validator(mode="after")
    def _fits(self) -> "Table":
        if any(len(row) > len(self.columns) for group in self.groups for row in group.rows):
            raise ValueError("a row has more cells than the table has columns")
        return self


def _data_only(figure: str) -> str:
    """Refuse what a browser would run where it looks for data; without logins of addresses."""
    data = json.loads(figure)
    if not isinstance(data, dict):
        raise ValueError("a figure is an object of JSON")
    return json.dumps(each_text(data, masked_addresses)) if "://" in figure else figure


class Chart(_Part):
    """A picture, as plotly describes it."""

    kind: Literal["chart"] = "chart"
    figure: Annotated[str, AfterValidator(_data_only)]
    """JSON of data and layout."""
    height: int

    def traces(self) -> frozenset[str]:
        """The kinds of plotly's traces that it is drawn of."""
        return frozenset(trace.get("type", "scatter") for trace in json.loads(self.figure)["data"])


class Note(_Part):
    """A line of text."""

    kind: Literal["note"] = "note"
    text: str


class Section(_Part):
    """A part of the page under one title."""

    title: str
    note: str = ""
    """The line under the title."""
    parts: tuple[Annotated[Table | Chart | Note | Drawing, Field(discriminator="kind")], ...] = ()


class Page(_Part):
    """A report. How it came to be (digest, settings, versions) is no part of it; see ``research.run``."""

    title: str
    meta: str
    """What was studied on which data and dates, in a line."""
    headline: str
    """What was found, in a sentence or two."""
    warnings: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()
    """What else the numbers say, a sentence or two each."""
    sections: tuple[Section, ...]
    summary: Table
    """What a terminal shows."""

    def kept(self) -> str:
        """As JSON, without logins of addresses; ``model_validate_json`` reads it."""
        said = each_text(self.model_dump(), masked_addresses, but=("figure",))
        return type(self).model_validate(said).model_dump_json()

    def html(self, reproduction: Sequence[str], settings: Mapping[str, str]) -> str:
        """One file, with plotly.js inside where the page has a chart.

        Parameters
        ----------
        reproduction : how it came to be, a sentence or two each.
        settings : flattened.
        """
        environment = jinja2.Environment(
            loader=jinja2.PackageLoader("quantray.analytics"),
            autoescape=True,
            finalize=_plain,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        shared, pictures = _shared([chart.figure for chart in self.charts])
        return environment.get_template("page.html.j2").render(
            page=self,
            shared=_script(json.dumps(shared)),
            pictures=iter(map(_script, pictures)),
            reproduction=reproduction,
            settings=settings,
            plotly_js=_plotly_js(frozenset().union(*(chart.traces() for chart in self.charts))) if self.charts else "",
        )

    @property
    def charts(self) -> tuple[Chart, ...]:
        """Its pictures that take plotly.js."""
        return tuple(part for section in self.sections for part in section.parts if isinstance(part, Chart))


def chart(title: str, picture: Picture) -> Section:
    """A picture as a section of its own, with its line under the title."""
    height = picture.figure.layout.height or 450
    figure = json.dumps(each_text(_single(json.loads(picture.figure.to_json())), _label))
    return Section(title=title, note=picture.note, parts=(Chart(figure=figure, height=height),))


def shown(value: float | None, form: str) -> str:
    """A number as text, a dash where there is none."""
    return "–" if value is None or math.isnan(value) else format(value, form)


def money(value: float) -> str:
    """Money in words of three digits, such as 300M or 1B."""
    for size, word in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "K")):
        if value >= size:
            return f"{value / size:.3g}{word}"
    return f"{value:.3g}"


def concluded(estimate: Estimate, *, helped: str, hurt: str, unsure: str, maximise: bool = True) -> str:
    """Which of three sentences an interval allows.

    Parameters
    ----------
    estimate : of what was gained.
    maximise : whether more of it is better.
    """
    low, high = estimate.interval.low, estimate.interval.high
    if low > 0:
        return helped if maximise else hurt
    if high < 0:
        return hurt if maximise else helped
    return unsure


def signed(estimate: Estimate | None, form: str = "+.2f") -> str:
    """A difference with its interval, in words."""
    if estimate is None:
        return "–"
    return f"{estimate.mean:{form}}, {estimate.interval.level:.0%} interval {ranged(estimate, form)}"


def ranged(estimate: Estimate | None, form: str = ".2f") -> str:
    """The ends of an interval."""
    return "" if estimate is None else f"{estimate.interval.low:{form}} to {estimate.interval.high:{form}}"


@cache
def _plotly_js(traces: frozenset[str]) -> str:
    """plotly.js as the package carries it, or, where it draws these, its cartesian bundle of a third the size."""
    if not traces <= _CARTESIAN:
        whole: str = get_plotlyjs()
        return whole
    return (files("quantray.analytics") / "static" / "plotly-cartesian.min.js").read_text("utf-8")


def _single(figure: Any) -> Any:
    """A figure whose arrays of numbers have seven digits, which no screen can tell from sixteen."""
    if isinstance(figure, list):
        return [_single(each) for each in figure]
    if not isinstance(figure, dict):
        return figure
    if figure.get("dtype") == "f8" and "bdata" in figure:
        single = np.frombuffer(b64decode(figure["bdata"])).astype("<f4")
        return figure | {"dtype": "f4", "bdata": b64encode(single.tobytes()).decode()}
    return {key: _single(value) for key, value in figure.items()}


def _shared(figures: Sequence[str]) -> tuple[list[Any], list[str]]:
    """What pictures repeat (their days and their look), once, and the pictures with its places in its stead."""
    places: dict[str, int] = {}

    def placed(value: Any) -> dict[str, int]:
        return {"shared": places.setdefault(json.dumps(value), len(places))}

    drawn = [json.loads(figure) for figure in figures]
    for figure in drawn:
        for trace in figure["data"]:
            if isinstance(trace.get("x"), list):
                trace["x"] = placed(trace["x"])
        if "template" in figure.get("layout", {}):
            figure["layout"]["template"] = placed(figure["layout"]["template"])
    return [json.loads(value) for value in places], [json.dumps(figure) for figure in drawn]


def _script(figure: str) -> str:
    """JSON that no browser takes for the end of its script."""
    return (
        figure.replace("<", "\\u003c").replace(">", "\\u003e").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    )


def _plain(value: object) -> object:
    """A text of the page; what the template calls safe is code of its own."""
    return printable(value, keep="\n") if type(value) is str else value


# What plotly is told by the house's own figures; all else that it would take for HTML, links among it, is text.
_OWN_TAGS = re.compile(r"(?:<br>|</?extra>|<span style=\"color:#[0-9A-Fa-f]{6}\">|</span>)")


@lru_cache(maxsize=10_000)
def _label(text: str) -> str:
    """A text of a figure, which is shown as it is; dates come again in every line of every chart."""
    if text.isalnum():
        return text
    texts, tags = _OWN_TAGS.split(text), [*_OWN_TAGS.findall(text), ""]
    shown = (re.sub(r"&(?=#?\w+;)", "&amp;", printable(text)).replace("<", "&lt;") for text in texts)
    return "".join(text + tag for text, tag in zip(shown, tags, strict=True))
