"""Values: a dump's numbers, units and versions as SQL expressions over its texts."""

from __future__ import annotations

import re
from typing import Final

from transforms.ingest.fields import Fields
from transforms.sql import quote

#: what else stands for a space, and for an apostrophe, between groups of digits
_GROUPERS: Final = {" ": r"[ \x{00A0}\x{2009}\x{202F}]", "'": r"['\x{2019}]", "\u2019": r"['\x{2019}]"}


def number(kind: str, fields: Fields) -> str:
    """SQL: ``flow_text`` or ``volume_text`` as a number in our unit, null where it is none.

    A point in a file with decimal commas, or a group of other than three digits, is not guessed at.
    """
    text = f"{kind}_text"
    if fields.thousands and not fields.typed_value:
        group = _GROUPERS.get(fields.thousands, re.escape(fields.thousands))
        point = re.escape(fields.decimal)
        grouped = rf"[+-]?([0-9]{{1,3}}({group}[0-9]{{3}})+|[0-9]+)({point}[0-9]*)?"
        text = (
            f"CASE WHEN regexp_full_match(trim({text}), {quote(grouped)}) "
            f"THEN regexp_replace({text}, {quote(group)}, '', 'g') END"
        )
    if fields.decimal == "," and not fields.typed_value:
        text = f"CASE WHEN contains({text}, '.') THEN NULL ELSE replace({text}, ',', '.') END"
    if getattr(fields, f"{kind}_unit"):
        scaled = f" * {kind}_factor"
    else:
        constant: float = getattr(fields, f"{kind}_factor")
        scaled = "" if constant == 1.0 else f" * {constant!r}"
    # adding zero makes -0.0 an ordinary zero
    plain = text if fields.typed_value else f"try_cast({text} AS DOUBLE)"
    return f"{plain}{scaled} + 0.0"


def factor(kind: str, fields: Fields) -> str:
    """SQL: the factor of a row whose unit stands in a column, null where the unit is not known."""
    text, factors = getattr(fields, f"{kind}_unit")
    cases = " ".join(f"WHEN {quote(unit)} THEN {value!r}::DOUBLE" for unit, value in factors.items())
    return f"CASE trim({text}) {cases} END"


def version(text: str) -> str:
    """SQL: what tells the newer of two readings, as a whole number: a count as it is, a time in microseconds; null where
    it is neither."""
    return (
        f"CASE WHEN regexp_full_match(trim({text}), '[0-9]{{1,18}}') THEN trim({text})::BIGINT "
        f"ELSE epoch_us(try_cast(trim({text}) AS TIMESTAMPTZ)) END"
    )
