"""Self-contained HTML pages from the templates of this room."""

from collections.abc import Mapping

import jinja2
from plotly.offline import get_plotlyjs

__all__ = ["render_page"]


def render_page(template: str, values: Mapping[str, object]) -> str:
    """A page from a template and what it shows, with plotly.js inside, so that it opens offline."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("quantray.analytics"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template(template).render(values, plotly_js=get_plotlyjs())
