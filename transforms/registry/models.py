"""models.toml: what is normal for each model of meter, and how far it may be corrected."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from transforms.faults import Faults, shown, suggestion
from transforms.metrology import MPE, R_RANGE, FlowRates, flow_rate_faults
from transforms.toml import Document, read_toml
from transforms.units import BY_QUANTITY

_RATES: Final = ("q1", "q2", "q3", "q4")
_REQUIRED: Final = (*_RATES, "accuracy_class", "band")
#: optional numbers, all above 0: upper bound, and whether the bound itself is allowed
_OPTIONAL: Final[dict[str, tuple[float, bool]]] = {
    "proportion": (1.0, True),
    "repeatability": (0.5, True),
    "resolution": (math.inf, False),
    "max_gain_change": (1.0, False),
    "max_offset": (math.inf, False),
    "rollover_l": (math.inf, False),
}
_KEYS: Final = (*_REQUIRED, *_OPTIONAL, "display")
_DISPLAY_KEYS: Final = ("quantity", "unit", "digits", "decimals")
_MAX_DIGITS: Final = 12
_NAME_LENGTH: Final = 128
#: R as a part of a model's name, as in "DN20 R160" or "USM-R250H"; not the R inside a word
_R_IN_NAME: Final = re.compile(r"(?<![A-Za-z])R[ =]?(\d+(?:\.\d+)?)", re.IGNORECASE)
_R_TOLERANCE: Final = 0.05


@dataclass(frozen=True)
class Display:
    """What a model's display shows: ``flow`` or ``volume``, in which unit, with how many digits and decimals."""

    quantity: str
    unit: str
    digits: int
    decimals: int


@dataclass(frozen=True)
class Model:
    """A model of meter: flow rates and band in L/h, the shares and scatters relative.

    Attributes
    ----------
    q1, q2, q3, q4
        Flow rates [L/h] after OIML R 49-1:2013, 4.1.
    accuracy_class
        1 or 2, OIML R 49-1:2013, 4.2.
    band
        The preset threshold range of ``abs(q' - q)`` [L/h].
    proportion
        Share of the differences that must lie in the band [0 to 1].
    repeatability
        Relative scatter that is normal for this model.
    resolution
        Step of the reported flow [L/h].
    max_gain_change
        Largest relative change of the gain that a command may make.
    max_offset
        Largest offset [L/h] that a command may set; the band's upper end unless given.
    rollover_l
        Where the register begins again at zero, 10,000,000 for four digits of cubic metres [L]; None if not known.
    display
        How to read a photo of the display, or None.
    """

    name: str
    q1: float
    q2: float
    q3: float
    q4: float
    accuracy_class: int
    band: tuple[float, float]
    proportion: float = 0.95
    repeatability: float = 0.02
    resolution: float = 1.0
    max_gain_change: float = 0.25
    max_offset: float = math.nan
    rollover_l: float | None = None
    display: Display | None = None

    def __post_init__(self) -> None:
        if math.isnan(self.max_offset):
            object.__setattr__(self, "max_offset", self.band[1])

    @property
    def flow_rates(self) -> FlowRates:
        return FlowRates(self.q1, self.q2, self.q3, self.q4)


def read_models(file: Path, faults: Faults) -> tuple[dict[str, Model], frozenset[str]] | None:
    """Read models.toml.

    Returns
    -------
    tuple or None
        The models without fault by name, sorted, and the names of all that the file holds; None where the file cannot
        be read at all.
    """
    document = read_toml(file, faults)
    if document is None:
        return None
    for key in document.values:
        if key != "models":
            document.fault(
                faults, (key,), f'unknown key {shown(key)}{suggestion(key, ["models"])} models stand in [models."NAME"]'
            )
    tables = document.values.get("models", {})
    if not isinstance(tables, dict):
        document.fault(faults, ("models",), 'models must be tables; write [models."NAME"]')
        return None
    models: dict[str, Model] = {}
    for name in sorted(tables):
        model = _ModelReader(document, faults, name).read(tables[name])
        if model is not None:
            models[name] = model
    return models, frozenset(tables)


@dataclass
class _ModelReader:
    """Reads one ``[models."NAME"]`` table, noting what is wrong with it."""

    document: Document
    faults: Faults
    name: str

    def fault(self, sentence: str, *path: str) -> None:
        label = self.name if self.name.isprintable() and len(self.name) <= _NAME_LENGTH else shown(self.name)
        self.document.fault(self.faults, ("models", self.name, *path), sentence, key=f"model {label}")

    def read(self, table: Any) -> Model | None:
        before = self.faults.count
        if not isinstance(table, dict):
            self.fault(f'a model is a table of keys, not {shown(table)}; write [models."{self.name}"] above its keys')
            return None
        if not self.name.strip() or self.name != self.name.strip() or len(self.name) > _NAME_LENGTH:
            self.fault(f"the name must have 1 to {_NAME_LENGTH} characters and no space at its ends; rename it")
        if not self.name.isprintable():
            self.fault("the name holds control characters; rename it")
        for key in table:
            if key not in _KEYS:
                self.fault(f"unknown key {shown(key)}{suggestion(key, _KEYS)}", key)
        rates = self.rates(table)
        accuracy_class = self.accuracy_class(table)
        band = self.band(table)
        numbers = {key: self.optional(table, key) for key in _OPTIONAL if key in table}
        display = self.display(table["display"]) if "display" in table else None
        if self.faults.count > before or rates is None or band is None or accuracy_class is None:
            return None
        settled = {key: value for key, value in numbers.items() if value is not None}
        return Model(
            name=self.name,
            q1=rates.q1,
            q2=rates.q2,
            q3=rates.q3,
            q4=rates.q4,
            accuracy_class=accuracy_class,
            band=band,
            display=display,
            **settled,
        )

    def missing(self, key: str, what: str) -> None:
        self.fault(f"key {key} is missing; give {what}")

    def rates(self, table: dict[str, Any]) -> FlowRates | None:
        found: list[float] = []
        for key in _RATES:
            if key not in table:
                self.missing(key, "the flow rate in L/h from the type approval")
            elif (value := number(table[key])) is None:
                self.fault(f"{key} = {shown(table[key])} is not a number; give the flow rate in L/h", key)
            else:
                found.append(value)
        if len(found) < len(_RATES):
            return None
        rates = FlowRates(*found)
        wrong = flow_rate_faults(*found)
        for sentence in wrong:
            self.fault(sentence, next((key for key in _RATES if sentence.startswith(f"{key} ")), "q1"))
        if wrong:
            return None
        stated = stated_ratio(self.name)
        if stated is not None and abs(rates.ratio / stated - 1) > _R_TOLERANCE:
            self.fault(
                f"the name says R = {stated:g}, but q3/q1 = {rates.q3:g}/{rates.q1:g} = {rates.ratio:.4g};"
                " put the flow rates right or rename the model",
                "q1",
            )
        return rates

    def accuracy_class(self, table: dict[str, Any]) -> int | None:
        value = table.get("accuracy_class")
        if value is None:
            self.missing("accuracy_class", "1 or 2")
        elif isinstance(value, bool) or not isinstance(value, int) or value not in MPE:
            self.fault(
                f"accuracy_class = {shown(value)} is not known; give 1 or 2 (OIML R 49-1, 4.2)", "accuracy_class"
            )
        else:
            return value
        return None

    def band(self, table: dict[str, Any]) -> tuple[float, float] | None:
        value = table.get("band")
        if value is None:
            self.missing("band", "[low, high] in L/h, the preset threshold range")
            return None
        ends = [number(end) for end in value] if isinstance(value, list) else []
        match ends:
            case [float() as low, float() as high] if 0 <= low < high:
                return (low, high)
        self.fault(f"band = {shown(value)} is no range; give [low, high] in L/h with 0 <= low < high", "band")
        return None

    def optional(self, table: dict[str, Any], key: str) -> float | None:
        high, with_high = _OPTIONAL[key]
        value = number(table[key])
        if value is not None and value > 0 and (value < high or (with_high and value == high)):
            return value
        bound = "" if math.isinf(high) else f" and {'up to' if with_high else 'below'} {high:g}"
        self.fault(f"{key} = {shown(table[key])}; give a number above 0{bound}", key)
        return None

    def display(self, table: Any) -> Display | None:
        before = self.faults.count
        if not isinstance(table, dict):
            self.fault(f"display = {shown(table)}; give {{quantity, unit, digits, decimals}}", "display")
            return None
        for key in table:
            if key not in _DISPLAY_KEYS:
                self.fault(f"unknown key {shown(key)} in display{suggestion(key, _DISPLAY_KEYS)}", "display", key)
        for key in _DISPLAY_KEYS:
            if key not in table:
                self.fault(f"display lacks the key {key}; give quantity, unit, digits and decimals", "display")
        if self.faults.count > before:
            return None
        quantity, unit, digits, decimals = (table[key] for key in _DISPLAY_KEYS)
        if not isinstance(quantity, str) or quantity not in BY_QUANTITY:
            self.fault(f"display.quantity = {shown(quantity)}; give 'volume' or 'flow'", "display", "quantity")
        elif not isinstance(unit, str) or unit not in BY_QUANTITY[quantity]:
            hint = suggestion(str(unit), BY_QUANTITY[quantity])
            self.fault(f"display.unit = {shown(unit)} is no unit of {quantity}{hint}", "display", "unit")
        if not whole(digits, 1, _MAX_DIGITS):
            self.fault(f"display.digits = {shown(digits)}; give a whole number 1 to {_MAX_DIGITS}", "display", "digits")
        elif not whole(decimals, 0, digits - 1):
            self.fault(
                f"display.decimals = {shown(decimals)}; give a whole number 0 to {digits - 1}", "display", "decimals"
            )
        return Display(quantity, unit, digits, decimals) if self.faults.count == before else None


def stated_ratio(name: str) -> float | None:
    """The R that a model's name states, as in ``"DN20 R160"``, or None; numbers that no meter has as R do not count."""
    low, high = R_RANGE
    found = [float(text) for text in _R_IN_NAME.findall(name) if low <= float(text) <= high]
    return found[0] if found else None


def number(value: object) -> float | None:
    """A finite number as float; None for anything else, truth values included."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        converted = float(value)
    except OverflowError:
        return None
    return converted if math.isfinite(converted) else None


def whole(value: object, low: int, high: int) -> bool:
    """Whether a value is a whole number in a range, both ends included."""
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
