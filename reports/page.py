"""Templates into pages: escaping on, nothing undefined, and the marks that text from outside gets."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from reports.clock import zone_name
from reports.wording import moment, visible

if TYPE_CHECKING:
    from jinja2 import Environment

#: Nothing may be loaded, run, framed or sent; the page's own styles are all it has.
SECURITY_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def lines(text: object) -> str:
    """A text of several lines, each with its control and direction characters written out."""
    return "\n".join(visible(line) for line in str(text).splitlines())


def short(digest: object, length: int = 12) -> str:
    """The start of a digest, enough to tell it from others by eye."""
    text = visible(digest)
    return text if len(text) <= length + 4 else text[:length] + "…"


def render_page(template: str, context: Mapping[str, Any], *, pictures: bool = False, script: str = "") -> str:
    """Fill a template of this package. Every value is escaped unless it is Markup.

    With ``pictures`` the page may show such as it holds itself, in data addresses; ``script`` is the digest
    (``sha256-...``) of the one script that it may run. Still nothing is loaded from anywhere.
    """
    policy = f"{SECURITY_POLICY}; img-src data:" if pictures else SECURITY_POLICY
    if script:
        policy += f"; script-src '{script}'"
    return _surroundings().get_template(template).render(security_policy=policy, **context)


@cache
def _surroundings() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    surroundings = Environment(
        loader=PackageLoader("reports", "templates"),
        autoescape=True,
        auto_reload=False,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    surroundings.filters.update(visible=visible, short=short, moment=moment, lines=lines)
    surroundings.globals.update(zone_name=zone_name)
    return surroundings
