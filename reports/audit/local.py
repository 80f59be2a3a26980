"""Numbers, dates and money as people of a language write them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from reports.wording import MINUS, visible

_NARROW, _NO_BREAK = "\u202f", "\u00a0"
_MONTHS = {
    "en": "January February March April May June July August September October November December",
    "es": "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
    "fr": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
    "de": "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
}
#: how a date is put together; {month} is the month's name
_DATES = {
    "en": "{day}\u00a0{month}\u00a0{year}",
    "es": "{day}\u00a0de {month} de\u00a0{year}",
    "fr": "{day}\u00a0{month}\u00a0{year}",
    "de": "{day}.\u00a0{month}\u00a0{year}",
}
#: decimal sign and what groups digits by three
_SIGNS = {"en": (".", ","), "zh": (".", ","), "es": (",", _NARROW), "fr": (",", _NARROW), "de": (",", ".")}


@dataclass(frozen=True)
class Local:
    """The ways of one of the languages of `reports.audit.customer_words`."""

    language: str

    def number(self, value: float, decimals: int = 0) -> str:
        """A number with the language's decimal sign."""
        point, group = _SIGNS[self.language]
        shown = f"{abs(value):,.{decimals}f}".translate({ord("."): point, ord(","): group})
        return (MINUS if value < 0 and any(sign in "123456789" for sign in shown) else "") + shown

    def volume(self, litres: float) -> str:
        """A volume: litres up to a thousand, cubic metres above."""
        if abs(litres) < 1000:
            unit = "升" if self.language == "zh" else "L"
            return f"{self.number(litres)}{_NO_BREAK}{unit}"
        return f"{self.number(litres / 1000, 0 if abs(litres) >= 100_000 else 1)}{_NO_BREAK}m³"

    def money(self, value: float, currency: str) -> str:
        """An amount of money with its currency behind it."""
        return f"{self.number(value, 2)}{_NO_BREAK}{visible(currency)}"

    def day(self, when: date) -> str:
        """A date, the month by its name."""
        if self.language == "zh":
            return f"{when.year}年{when.month}月{when.day}日"
        month = _MONTHS[self.language].split()[when.month - 1]
        return _DATES[self.language].format(day=when.day, month=month, year=when.year)

    def month(self, when: date) -> str:
        """A month with its year."""
        if self.language == "zh":
            return f"{when.year}年{when.month}月"
        return f"{_MONTHS[self.language].split()[when.month - 1]} {when.year}"
