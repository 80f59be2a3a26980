"""The contact sheet for the reviewer: one self-contained page of the photos that wait, with a field to search in them."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence

import polars as pl

from reports.page import render_page
from reports.photos import order, photo
from reports.wording import count, visible
from transforms.screens import Screen

#: photos that a page takes, those waiting beyond that are only counted
MOST_PICTURES = 200
#: hides the cards that do not hold what was typed; the page allows this script by its digest, and no other
_SEARCH = """
const field = document.getElementById("search"), cards = [...document.querySelectorAll("article")];
const tally = document.getElementById("tally");
field.closest("p").hidden = false;
field.addEventListener("input", () => {
  const wanted = field.value.trim().toLowerCase();
  let many = 0;
  for (const card of cards) {
    card.hidden = !card.textContent.toLowerCase().includes(wanted);
    many += card.hidden ? 0 : 1;
  }
  tally.textContent = wanted ? `${many} of ${cards.length} shown` : "";
});
"""


def render_contact_sheet(
    readings: pl.DataFrame, pictures: Mapping[str, str], screens: Mapping[str, Sequence[Screen]]
) -> str:
    """The page as one string of HTML that needs nothing else.

    Parameters
    ----------
    readings
        `transforms.schemas.READINGS` of those that wait.
    pictures
        Reading id -> address (data:) of a small copy.
    screens
        Feature code -> what the display may show.
    """
    rows = order(readings)
    cards = [{**photo(row, pictures), "shapes": _shapes(screens.get(row["feature_code"], ()))} for row in rows]
    digest = base64.b64encode(hashlib.sha256(_SEARCH.encode()).digest()).decode("ascii")
    context = {
        "title": "Photos that wait for a person",
        "n": count(len(rows), "photo"),
        "cards": cards[:MOST_PICTURES],
        "more": count(len(rows) - MOST_PICTURES, "more photo", "more photos") if len(rows) > MOST_PICTURES else "",
        "script": _SEARCH,
    }
    return render_page("review.html.j2", context, pictures=True, script=f"sha256-{digest}")


def _shapes(screens: Sequence[Screen]) -> str:
    """What a display may show, in words: ``main 00000.000 m3``."""
    return "; ".join(
        f"{visible(screen.name)} {'0' * (screen.digits - screen.decimals)}"
        f"{'.' if screen.decimals else ''}{'0' * screen.decimals} {screen.unit}".rstrip()
        for screen in screens
    )
