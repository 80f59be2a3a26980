"""Sets of drawn displays by seed: what each shows, how hard it is, and the photo."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tests.displays.scene import HEIGHT, WIDTH, Scene, jpeg, picture
from tests.displays.segments import Hand, fonts
from transforms.screens import Screen

SEVERITIES = ("easy", "medium", "hard", "unreadable")
#: formats met on meters: quantity, unit, digits, decimals
_FORMATS = (
    ("volume", "m3", 8, 3), ("volume", "m3", 8, 3), ("volume", "m3", 8, 0), ("volume", "m3", 9, 4), ("volume", "m3", 7, 2),
    ("flow", "m3/h", 5, 4), ("flow", "m3/h", 6, 4), ("flow", "m3/h", 5, 3), ("flow", "L/h", 6, 1), ("volume", "m3", 6, 1),
)  # fmt: skip


@dataclass(frozen=True)
class Display:
    """A drawn display. ``reading`` is what it shows in the form of the screen, with the point where the format has it."""

    name: str
    severity: str
    screen: Screen
    reading: str
    image: NDArray[np.uint8]
    quality: int

    @property
    def jpeg(self) -> bytes:
        return jpeg(self.image, self.quality)


def displays(
    count: int, seed: int, severities: tuple[str, ...] = SEVERITIES, *, dseg: bool = False
) -> Iterator[Display]:
    """Draw a set: severities in turn, everything else at random from the seed.

    Parameters
    ----------
    dseg
        Draw a third of them in the DSEG typeface, where it is installed.
    """
    for k in range(count):
        yield display(severities[k % len(severities)], seed * 100_003 + k, dseg=dseg)


def display(severity: str, seed: int, *, dseg: bool = False) -> Display:
    """Draw one display of that severity."""
    rng = np.random.default_rng(seed)
    quantity, unit, digits, decimals = _FORMATS[int(rng.integers(len(_FORMATS)))]
    text = _number(digits, rng)
    scene = _scene(severity, digits, unit, rng, dseg)
    shown, scene = _spoiled(text, digits, scene, rng) if severity == "unreadable" else (text, scene)
    image = picture(shown, min(decimals, len(shown) - 1), scene, int(rng.integers(2**31)))
    reading = f"{text[:-decimals]}.{text[-decimals:]}" if decimals else text
    screen = Screen("main", quantity, unit, digits, decimals)
    return Display(f"{severity}_{seed}", severity, screen, reading, image, scene.quality)


def film(severity: str, seed: int, frames: int = 9, *, dseg: bool = False) -> tuple[Display, list[NDArray[np.uint8]]]:
    """A display and a clip of it, from a hand that moves a little, with glare that wanders."""
    rng = np.random.default_rng(seed)
    first = display(severity, seed, dseg=dseg)
    _, unit, digits, decimals = _FORMATS[int(rng.integers(len(_FORMATS)))]  # the same draws as for the photo
    text = _number(digits, rng)
    scene = _scene(severity, digits, unit, rng, dseg)
    drift = np.random.default_rng(seed + 1)
    shots = []
    for k in range(frames):
        moved = replace(
            scene,
            place=(scene.place[0] + float(drift.normal(0, 3)), scene.place[1] + float(drift.normal(0, 3))),
            turn=scene.turn + float(drift.normal(0, 0.3)),
            glare=tuple((x + 0.12 * (k - frames / 2), y, radius, strength) for x, y, radius, strength in scene.glare),
        )
        shots.append(picture(text, decimals, moved, seed + 2))
    return first, shots


def _number(digits: int, rng: np.random.Generator) -> str:
    """Any digits, or a low number with zeros in front, as young meters have it."""
    text = "".join(map(str, rng.integers(0, 10, digits)))
    zeros = int(rng.integers(1, digits)) if rng.random() < 0.3 else 0
    return "0" * zeros + text[zeros:]


def _hand(rng: np.random.Generator, dark: bool, dseg: bool) -> Hand:
    ghost = float(rng.uniform(0.02, 0.16)) if rng.random() < 0.5 else 0.0
    chance, place = rng.random(2)  # drawn in any case: a set without the typeface is the same on every machine
    if dseg and chance < 0.35 and (names := fonts()):
        return Hand(font=names[int(place * len(names))], ghost=ghost)
    width = float(rng.uniform(0.48, 0.64))
    return Hand(
        width=width,
        pitch=width * float(rng.uniform(1.2, 1.5)),
        stroke=float(rng.uniform(0.07, 0.17)),
        gap=float(rng.uniform(0.0, 0.03)),
        slant=float(rng.choice([0.0, rng.uniform(0.03, 0.2)])),
        pointed=bool(rng.random() < 0.7),
        small=float(rng.choice([1.0, 1.0, 1.0, rng.uniform(0.7, 0.88)])),
        variants="".join(c for c, p in zip("679", (0.2, 0.35, 0.2), strict=True) if rng.random() < p),
        ghost=ghost * (0.6 if dark else 1.0),
    )


def _colours(rng: np.random.Generator) -> tuple[tuple[float, ...], tuple[float, ...], bool]:
    """Face and ink: a grey-green LCD mostly; now and then an inverted one or LEDs."""
    kind = rng.random()
    if kind < 0.8:
        grey = float(rng.uniform(110, 195))
        face = (
            grey + float(rng.uniform(-18, 22)),
            grey + float(rng.uniform(-5, 22)),
            grey + float(rng.uniform(-20, 10)),
        )
        return face, (float(rng.uniform(15, 60)),) * 3, False
    if kind < 0.9:
        return (90.0, 50.0, 30.0), (240.0, 235.0, 225.0), True
    led = [(40.0, 50.0, 250.0), (60.0, 240.0, 80.0), (60.0, 180.0, 250.0)][int(rng.integers(3))]
    return (18.0, 14.0, 16.0), led, True


def _scene(severity: str, digits: int, unit: str, rng: np.random.Generator, dseg: bool) -> Scene:
    level = {"easy": 0, "medium": 1, "hard": 2, "unreadable": 1}[severity]
    face, ink, dark = _colours(rng)
    body = float(rng.uniform(60, 215))
    tint = rng.uniform(-12, 12, 3)
    span = float(rng.uniform(*((560, 820), (430, 760), (330, 640))[level])) * min(1.0, 0.62 + 0.06 * digits)
    slack = (WIDTH - span) / 2 - 20
    spots = 0 if level == 0 else int(rng.random() < 0.5) if level == 1 else int(rng.integers(0, 3))
    return Scene(
        face=face,  # type: ignore[arg-type]
        ink=ink,  # type: ignore[arg-type]
        body=tuple(body + t for t in tint),  # type: ignore[arg-type]
        frame=None if rng.random() < 0.1 else ((30.0,) * 3 if rng.random() < 0.8 or dark else (225.0,) * 3),
        span=span,
        margin=(float(rng.uniform(0.3, 0.9)), float(rng.uniform(0.22, 0.5))),
        place=(WIDTH / 2 + float(rng.uniform(-slack, slack)), HEIGHT / 2 + float(rng.uniform(-170, 170))),
        turn=float(rng.uniform(-1, 1)) * (4, 9, 15)[level],
        keystone=(0.06, 0.14, 0.24)[level],
        blur=float(rng.uniform(*((0.4, 0.9), (0.6, 1.8), (1.0, 2.8))[level])),
        shake=float(rng.uniform(0, (0, 4, 8)[level])),
        noise=float(rng.uniform(*((0.5, 2.5), (2, 7), (4, 14))[level])),
        contrast=float(rng.uniform(*((0.8, 1.0), (0.55, 1.0), (0.3, 0.9))[level])),
        glare=tuple(
            (float(rng.uniform(-0.1, 1.1)), float(rng.uniform(-0.3, 1.3)), float(rng.uniform(0.15, 0.5)),
             float(rng.uniform(0.3, (0, 0.9, 1.3)[level])))
            for _ in range(spots)
        ),
        reflections=int(rng.integers(0, (1, 2, 4)[level])),
        dirt=int(rng.integers(0, (2, 8, 30)[level])),
        shade=float(rng.uniform(0, 0.5)) if level and rng.random() < 0.3 else 0.0,
        unit=unit,
        quality=int(rng.integers(*((80, 95), (60, 92), (35, 85))[level])),
        hand=_hand(rng, dark, dseg),
    )  # fmt: skip


def _spoiled(text: str, digits: int, scene: Scene, rng: np.random.Generator) -> tuple[str, Scene]:
    """One of the ways in which a picture does not tell the reading."""
    way = int(rng.integers(8))
    share = 1 / digits
    if way == 0:
        return text, replace(scene, blur=float(rng.uniform(9, 16)))
    if way == 1:  # a spot that swallows a digit
        spot = (float(rng.uniform(0.2, 0.8)), 0.5, float(rng.uniform(0.35, 0.6)), 3.0)
        return text, replace(scene, glare=(spot,))
    if way == 2:
        return text, replace(scene, contrast=float(rng.uniform(0.0, 0.04)), noise=9.0)
    if way == 3:  # a finger over the last or first digits
        return text, replace(scene, cover=float(rng.choice([-1, 1]) * rng.uniform(1.6, 3) * share))
    if way == 4:  # cut off by the picture's edge
        return text, replace(scene, place=(float(rng.choice([0, WIDTH])), scene.place[1]))
    if way == 5:  # another screen: fewer digits lit, or more
        return ("".join(map(str, rng.integers(0, 10, digits + int(rng.choice([-1, 1]))))), scene)
    if way == 6:  # a digit that is off
        k = int(rng.integers(digits))
        return text[:k] + " " + text[k + 1 :], scene
    return " " * digits, scene
