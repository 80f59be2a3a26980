"""Drawn displays are read exactly, and those that nobody could read are left to a person."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from flows.eyes import Eyes
from tests.displays.scene import Scene, picture
from tests.displays.segments import Hand
from tests.displays.sets import display, displays, film
from transforms.display import Engine, Picture, Sight, look, open_engine
from transforms.reasons import PHOTO_REASONS
from transforms.screens import Screen

REGISTER = Screen("main", "volume", "m3", 8, 3)
FLOW = Screen("flow", "flow", "m3/h", 5, 4)
LED = Scene(face=(18, 14, 16), ink=(40, 50, 250), body=(120, 120, 120), frame=None)


@pytest.fixture(scope="module")
def engine() -> Engine:
    return open_engine()


def seen(engine: Engine, image: np.ndarray, *screens: Screen) -> Sight:
    return look(engine, Picture("photo", (image,)), screens)


def test_clean_displays_are_read_exactly(engine: Engine) -> None:
    for drawn in displays(6, 20, ("easy",)):
        sight = seen(engine, drawn.image, drawn.screen)
        assert (drawn.name, sight.status, sight.candidates[0].text) == (drawn.name, "sure", drawn.reading)
        assert sight.candidates[0].value == float(drawn.reading)


def test_of_harder_ones_none_is_taken_wrong(engine: Engine) -> None:
    taken = 0
    for drawn in displays(8, 20, ("medium", "medium", "medium", "hard")):
        sight = seen(engine, drawn.image, drawn.screen)
        if sight.status == "sure":
            taken += 1
            assert (drawn.name, sight.candidates[0].text) == (drawn.name, drawn.reading)
    assert taken >= 5


def test_what_nobody_could_read_is_left_to_a_person(engine: Engine) -> None:
    for drawn in displays(4, 21, ("unreadable",)):
        sight = seen(engine, drawn.image, drawn.screen)
        assert (drawn.name, sight.status) == (drawn.name, "unsure")
        assert sight.reason in PHOTO_REASONS


@pytest.mark.parametrize("scene", [Scene(glare=((0.5, 0.5, 0.5, 3.0),)), Scene(cover=0.35), Scene(blur=14)])
def test_what_is_hidden_is_not_guessed(engine: Engine, scene: Scene) -> None:
    sight = seen(engine, picture("00731845", 3, scene, 5), REGISTER)
    assert sight.status == "unsure"
    assert sight.reason in PHOTO_REASONS


def test_a_digit_more_or_less_than_the_screen_has_is_not_taken(engine: Engine) -> None:
    for shown in ("0731845", "907318452", "31845"):
        sight = seen(engine, picture(shown, 3, Scene(), 6), REGISTER)
        assert (shown, sight.status) == (shown, "unsure")


def test_the_screen_is_the_one_whose_format_fits(engine: Engine) -> None:
    for text, screen, reading in (("00731845", REGISTER, "00731.845"), ("12840", FLOW, "1.2840")):
        sight = seen(engine, picture(text, screen.decimals, Scene(), 7), REGISTER, FLOW)
        assert (sight.status, sight.candidates[0].screen, sight.candidates[0].text) == ("sure", screen, reading)


def test_screens_of_one_format_cannot_be_told_apart(engine: Engine) -> None:
    back = Screen("back", "volume", "m3", 8, 2)
    sight = seen(engine, picture("00731845", 3, Scene(), 7), REGISTER, back)
    assert (sight.status, sight.reason) == ("unsure", "ambiguous_screen")
    assert {c.screen.name: c.text for c in sight.candidates[:2]} == {"main": "00731.845", "back": "007318.45"}


def test_lights_small_decimals_and_other_forms_of_digits(engine: Engine) -> None:
    hand = Hand(small=0.78, variants="679", ghost=0.08)
    for scene in (LED, Scene(hand=hand), replace(LED, hand=hand)):
        sight = seen(engine, picture("04967318", 3, scene, 8), REGISTER)
        assert (sight.status, sight.candidates[0].text) == ("sure", "04967.318")


def test_a_minus_counts_where_a_quantity_may_have_one(engine: Engine) -> None:
    image = picture("-01284", 4, Scene(span=520), 9)
    sight = seen(engine, image, Screen("a2", "a2", "m3/h", 5, 4))
    assert sight.candidates[0].text == "-0.1284"
    assert sight.candidates[0].value == -0.1284
    assert seen(engine, image, Screen("main", "volume", "m3", 5, 4)).status == "unsure"


def test_a_clip_is_voted(engine: Engine) -> None:
    drawn, frames = film("medium", 31)
    sight = look(engine, Picture("clip", tuple(frames)), [drawn.screen])
    assert (sight.status, sight.candidates[0].text) == ("sure", drawn.reading)
    assert sight.frames >= 3


def test_frames_of_different_readings_are_no_reading(engine: Engine) -> None:
    frames = tuple(picture(text, 3, Scene(), 10) for text in ("00731845", "00731846", "00731847"))
    sight = look(engine, Picture("clip", frames), [REGISTER])
    assert (sight.status, sight.reason) == ("unsure", "frames_differ")


def test_the_same_picture_gives_the_same_answer(engine: Engine) -> None:
    drawn = display("hard", 77)
    assert seen(engine, drawn.image, drawn.screen) == seen(engine, drawn.image, drawn.screen)


def test_photos_are_read_in_the_child() -> None:
    folder = Path(__file__).parents[1] / "photos"
    with (folder / "truth.csv").open(encoding="utf-8") as file, Eyes.open() as eyes:
        for row in csv.DictReader(file):
            digits, decimals = len(row["reading"].replace(".", "")), len(row["reading"].partition(".")[2])
            sight = eyes.read(folder / row["file"], [Screen("main", "volume", "m3", digits, decimals)])
            assert (row["file"], sight.status, sight.candidates[0].text) == (row["file"], "sure", row["reading"])
            assert 0.95 <= sight.candidates[0].confidence <= 1
        refused = eyes.read(folder / "README.md", [REGISTER])
    assert (refused.status, refused.reason) == ("refused", "not_a_picture")
