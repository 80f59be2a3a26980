"""Templates into pages: escaping on, nothing undefined, and the marks that text from outside gets."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from reports.wording import moment, visible

if TYPE_CHECKING:
    from jinja2 import Environment

#: Nothing may be loaded, run, framed or sent; the page's own styles are all it has.
SECURITY_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def short(digest: object, length: int = 12) -> str:
    """The start of a digest, enough to tell it from others by eye."""
    text = visible(digest)
    return text if len(text) <= length + 4 else text[:length] + "…"


def lines(text: object) -> str:
    """A text of several lines, each with its control and direction characters written out."""
    return "\n".join(visible(line) for line in str(text).splitlines())


def render_page(template: str, context: Mapping[str, Any], script: str = "") -> str:
    """Fill a template of this package. Every value is escaped unless it is Markup.

    A page that has a ``script`` may run that one, which is known by its digest, and no other.
    """
    from markupsafe import Markup

    policy = SECURITY_POLICY
    if script:
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        policy = f"{SECURITY_POLICY}; script-src 'sha256-{digest}'"
    ours = Markup(script)  # noqa: S704 - a file of this package
    return _surroundings().get_template(template).render(security_policy=policy, script=ours, **context)


def packaged(name: str) -> str:
    """The text of a file beside the templates."""
    return (resources.files("reports") / "templates" / name).read_text(encoding="utf-8")


@cache
def _surroundings() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    surroundings = Environment(
        loader=PackageLoader("reports", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    surroundings.filters.update(visible=visible, short=short, moment=moment, lines=lines)
    return surroundings
