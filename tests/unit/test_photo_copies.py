"""Small copies of photos: pixels and nothing else, upright, of what can be opened only."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image, PngImagePlugin

from transforms.photos.thumbnail import data_uri, thumbnail


def test_nothing_that_the_camera_noted_survives(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010F] = "Maker of Phones"
    exif[0x0112] = 6  # turned by a quarter: the upper left pixel stands at the upper right
    exif.get_ifd(0x8825).update({1: "S", 2: (41.0, 17.0, 12.0)})
    picture = Image.new("RGB", (800, 400), "red")
    picture.paste("blue", (0, 0, 80, 400))
    path = tmp_path / "a.jpg"
    picture.save(path, "JPEG", exif=exif, comment=b"at home", icc_profile=b"profile of a screen")
    assert b"Maker" in path.read_bytes()
    small = thumbnail(path, 200)
    assert small is not None
    for word in (b"Maker", b"at home", b"Exif", b"profile", b"ICC"):
        assert word not in small
    with Image.open(io.BytesIO(small)) as copy:
        assert copy.size == (100, 200)
        red, _, blue = copy.getpixel((50, 5))
        assert blue > 200 and red < 60, "what was on the left is on top once it stands upright"
    assert thumbnail(path, 200) == small
    assert data_uri(small).startswith("data:image/jpeg;base64,/9j/")


def test_texts_in_a_png_do_not_survive(tmp_path: Path) -> None:
    notes = PngImagePlugin.PngInfo()
    notes.add_text("Location", "41.28 S")
    path = tmp_path / "a.png"
    Image.new("RGBA", (50, 20), "green").save(path, pnginfo=notes)
    small = thumbnail(path, 200)
    assert small is not None and b"41.28" not in small
    with Image.open(io.BytesIO(small)) as copy:
        assert copy.size == (50, 20), "a small picture is not blown up"


@pytest.mark.parametrize("content", [b"", b"not a picture", b"\xff\xd8\xff\xe0broken", b"GIF89a" + bytes(20)])
def test_what_is_no_picture_has_no_copy(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(content)
    assert thumbnail(path, 200) is None
    assert thumbnail(tmp_path / "gone.jpg", 200) is None


def test_a_truncated_and_a_huge_picture_have_none(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.new("1", (10_000, 10_000)).save(path)
    assert thumbnail(path, 200) is None
    whole = io.BytesIO()
    Image.effect_noise((400, 400), 50).save(whole, "JPEG")
    path.write_bytes(whole.getvalue()[: len(whole.getvalue()) // 2])
    assert thumbnail(path, 200) is None
