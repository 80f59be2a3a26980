"""Addresses within a report: anchors made from feature codes, and pages that are numbered instead of named."""

from __future__ import annotations

import hashlib
import re

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_DIGEST = re.compile(r"x-[0-9a-f]{16}")
#: the ids that the pages themselves use begin with this, which no anchor of a meter does
OWN = "_"


def anchor(code: str) -> str:
    """The anchor of a meter: its feature code where that is plain, else a digest of it.

    No code can take the place of another, nor of an id of the page, nor hold anything that means something in markup.
    """
    if _PLAIN.fullmatch(code) and not _DIGEST.fullmatch(code):
        return code
    return f"x-{hashlib.sha256(code.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"


def page_name(place: int) -> str:
    """The file of the meter at this place of the list, from 1: named by number, never by what the data say."""
    return f"meters/{place:04d}.html"
