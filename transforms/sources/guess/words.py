"""Words: what the names of columns say in the languages of utilities, and how units are written. All of it is data, in
words.toml."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

#: what a column may hold, as the tables of words.toml are called
ROLES: Final = (
    "identifier", "meter", "flowmeter", "register", "flow", "consumption", "status", "clock", "reverse", "other",
)  # fmt: skip
#: letters that have no accent to take off
_PLAIN: Final = str.maketrans({"ł": "l", "ı": "i", "ø": "o", "đ": "d", "ß": "ss", "æ": "ae"})
_SYLLABLES: Final = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]")


@dataclass(frozen=True)
class Unit:
    """One of our units, and how many of it are meant."""

    name: str
    factor: float = 1.0


@cache
def _data() -> dict[str, Any]:
    return tomllib.loads((files(__package__) / "words.toml").read_text(encoding="utf-8"))


@cache
def _by_role(role: str) -> dict[str, frozenset[str]]:
    return {language: frozenset(plain(word) for word in words.split()) for language, words in _data()[role].items()}


@cache
def _of_any(role: str) -> frozenset[str]:
    return frozenset[str]().union(*_by_role(role).values())


@cache
def _units() -> dict[str, Unit]:
    simple = {_pressed(text): Unit(unit) for unit, texts in _data()["units"].items() for text in texts.split()}
    many = {_pressed(text): Unit(one["unit"], float(one["factor"])) for text, one in _data()["multiples"].items()}
    return simple | many


def plain(text: str) -> str:
    """A text in lower case without accents; what only looks like a letter or digit becomes one."""
    apart = unicodedata.normalize("NFKD", text.casefold().translate(_PLAIN))
    return "".join(sign for sign in apart if not unicodedata.combining(sign)).translate(_PLAIN)


def words_of(name: str) -> tuple[str, ...]:
    """The words of a column's name, made plain, without numbers at their ends."""
    spaced = re.sub(r"([a-z])([A-Z])", r"\1 \2", name)
    return tuple(word.rstrip("0123456789") or word for word in re.split(r"[\W_]+", plain(spaced)) if word)


def says(name: str, role: str) -> int:
    """How many words of a name stand for a role."""
    return _count(name, _of_any(role))


def _count(name: str, known: Iterable[str]) -> int:
    found, whole = set(words_of(name)), plain(name)
    return sum((word in whole) if _SYLLABLES.search(word) else (word in found) for word in known)


def language_of(names: Iterable[str]) -> str | None:
    """The language, other than English, that most of some names are of; None where two come equal or none is known."""
    votes: Counter[str] = Counter()
    for name in names:
        for role in ROLES:
            for language, known in _by_role(role).items():
                votes[language] += _count(name, known)
    english = votes.pop("en", 0)
    best = votes.most_common(2)
    if not best or best[0][1] <= english or (len(best) > 1 and best[0][1] == best[1][1]):
        return None
    return best[0][0]


def likely_zone(names: Iterable[str]) -> str | None:
    """The clock of most exports in the language of some names, or None."""
    language = language_of(names)
    return None if language is None else _data()["zones"].get(language)


def familiar(text: str) -> int:
    """How many different known words, with letters that ASCII lacks, a text holds: for telling encodings apart."""
    odd = {word for word in re.split(r"[\W\d_]+", text.casefold()) if not word.isascii()}
    every = frozenset[str]().union(*map(_of_any, ROLES))
    spelled = sum(word in text for word in every if _SYLLABLES.search(word))
    return len({plain(word) for word in odd} & every) + spelled


def unit_of(text: str) -> Unit | None:
    """Our name of a unit as exports write it, or None."""
    return _units().get(_pressed(text))


def _pressed(text: str) -> str:
    return re.sub(r"[\s_.]+", "", plain(text)).replace("perh", "/h")


def months() -> dict[str, list[str]]:
    """By language, the ways to write the twelve months."""
    found: dict[str, list[str]] = _data()["months"]
    return found
