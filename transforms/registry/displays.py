"""Displays in models.toml: the screens that a model shows, the one under ``display`` and those under ``screens``."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Final

from transforms.faults import shown, suggestion
from transforms.screens import QUANTITIES, UNITS, Screen
from transforms.units import BY_QUANTITY

#: name of the screen that the key ``display`` describes
MAIN: Final = "main"
_KEYS: Final = ("quantity", "unit", "digits", "decimals")
_MAX_DIGITS: Final = 12
_MAX_SCREENS: Final = 24
_NAME_LENGTH: Final = 40
#: quantities of which the unit may be left out, because there is only one
_UNITLESS: Final = tuple(name for name, units in UNITS.items() if units == ("",))

Note = Callable[..., None]


@dataclass(frozen=True)
class Display:
    """What a model's main screen shows: ``flow`` or ``volume``, in which unit, with how many digits and decimals."""

    quantity: str
    unit: str
    digits: int
    decimals: int


def read_displays(table: dict[str, Any], note: Note) -> tuple[Display | None, tuple[Screen, ...]]:
    """The display and all screens of one model's table, ``main`` first and the others by name.

    Parameters
    ----------
    table
        ``[models."NAME"]``.
    note
        Takes a sentence and the path of the key that is wrong.
    """
    screens = []
    display = None
    if "display" in table:
        main = _screen(table["display"], MAIN, ("display",), note)
        if main is not None:
            display = Display(main.quantity, main.unit, main.digits, main.decimals)
            screens.append(main)
    return display, (*screens, *_listed(table.get("screens", {}), note))


def _listed(tables: Any, note: Note) -> list[Screen]:
    if not isinstance(tables, dict):
        note(f'screens = {shown(tables)}; write a table for each, [models."NAME".screens.SCREEN]', "screens")
        return []
    if len(tables) > _MAX_SCREENS:
        note(f"there are {len(tables)} screens; give at most {_MAX_SCREENS}", "screens")
        return []
    found = []
    for name in sorted(tables):
        if name == MAIN:
            note(f"the screen {MAIN} is the one that display describes; give this one another name", "screens", name)
        elif not name or not name.isprintable() or name != name.strip() or len(name) > _NAME_LENGTH:
            note(
                f"a screen's name must have 1 to {_NAME_LENGTH} printable characters; rename {shown(name)}",
                "screens",
                name,
            )
        elif (screen := _screen(tables[name], name, ("screens", name), note)) is not None:
            found.append(screen)
    return found


def _screen(table: Any, name: str, path: tuple[str, ...], note: Note) -> Screen | None:
    """One screen, or None with its faults noted."""
    label = ".".join(path)
    faults = 0

    def fault(sentence: str, *key: str) -> None:
        nonlocal faults
        faults += 1
        note(sentence, *path, *key)

    if not isinstance(table, dict):
        fault(f"{label} = {shown(table)}; give {{quantity, unit, digits, decimals}}")
        return None
    known: Collection[str] = BY_QUANTITY if name == MAIN else QUANTITIES
    for key in table:
        if key not in _KEYS:
            fault(f"unknown key {shown(key)} in {label}{suggestion(key, _KEYS)}", key)
    given = {"unit": "", **table} if table.get("quantity") in _UNITLESS else table
    for key in _KEYS:
        if key not in given:
            fault(f"{label} lacks the key {key}; give quantity, unit, digits and decimals")
    if faults:
        return None
    quantity, unit, digits, decimals = (given[key] for key in _KEYS)
    if not isinstance(quantity, str) or quantity not in known:
        choice = "'volume' or 'flow'" if name == MAIN else f"one of {', '.join(QUANTITIES)}"
        fault(f"{label}.quantity = {shown(quantity)}; give {choice}", "quantity")
    elif not isinstance(unit, str) or unit not in UNITS[quantity]:
        hint = "; leave it out" if quantity in _UNITLESS else suggestion(str(unit), UNITS[quantity])
        fault(f"{label}.unit = {shown(unit)} is no unit of {quantity}{hint}", "unit")
    if not _whole(digits, 1, _MAX_DIGITS):
        fault(f"{label}.digits = {shown(digits)}; give a whole number 1 to {_MAX_DIGITS}", "digits")
    elif not _whole(decimals, 0, digits - 1):
        fault(f"{label}.decimals = {shown(decimals)}; give a whole number 0 to {digits - 1}", "decimals")
    return None if faults else Screen(name, quantity, unit, digits, decimals)


def _whole(value: object, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
