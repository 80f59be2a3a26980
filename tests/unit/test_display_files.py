"""Files that call themselves pictures: each that is none, or too much of one, is refused with its reason, undecoded."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

from transforms.display import Limits, PictureError, load
from transforms.reasons import PHOTO_REASONS

cv2 = pytest.importorskip("cv2")


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    """640 x 480, bright in its upper half."""
    image = np.full((480, 640, 3), 40, np.uint8)
    image[:240] = 200
    return image


@pytest.fixture(scope="module")
def clip(image: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Two seconds at 15 frames a second; the frames grow brighter."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 15, (640, 480))
    for k in range(30):
        writer.write(image // 2 + np.uint8(4 * k))
    writer.release()
    return path.read_bytes()


def jpeg(image: np.ndarray) -> bytes:
    return cv2.imencode(".jpg", image)[1].tobytes()


def png(image: np.ndarray) -> bytes:
    return cv2.imencode(".png", image)[1].tobytes()


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def bomb(width: int, height: int) -> bytes:
    """A PNG of few bytes that says it is that large."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(10**6)))
        + chunk(b"IEND", b"")
    )


def resized_jpeg(data: bytes, width: int, height: int) -> bytes:
    """A JPEG whose header claims another size."""
    at = data.index(b"\xff\xc0")
    return data[: at + 5] + struct.pack(">HH", height, width) + data[at + 9 :]


def lasting(clip: bytes, seconds: int) -> bytes:
    """A clip whose header claims another length."""
    at = clip.index(b"mvhd") + 4
    scale = int.from_bytes(clip[at + 12 : at + 16], "big")
    return clip[: at + 16] + struct.pack(">I", seconds * scale) + clip[at + 20 :]


def refusal(folder: Path, data: bytes, limits: Limits | None = None) -> PictureError:
    path = folder / "photo.jpg"
    path.write_bytes(data)
    with pytest.raises(PictureError) as refused:
        load(path, limits=limits)
    assert refused.value.reason in PHOTO_REASONS
    assert str(folder) not in refused.value.detail
    return refused.value


@pytest.mark.parametrize("data", [b"", b"no picture", b"GIF89a" + bytes(100), b"\xff\xd8", b"RIFF\0\0\0\0WEBPVP8 "])
def test_what_is_no_picture(tmp_path: Path, data: bytes) -> None:
    assert refusal(tmp_path, data).reason == "not_a_picture"


@pytest.mark.parametrize("share", [0.1, 0.5, 0.98])
def test_what_arrived_incomplete(tmp_path: Path, image: np.ndarray, clip: bytes, share: float) -> None:
    for data in (jpeg(image), png(image), clip):
        assert refusal(tmp_path, data[: int(share * len(data))]).reason == "truncated_picture"


def test_what_is_too_large_is_not_decoded(tmp_path: Path, image: np.ndarray, clip: bytes) -> None:
    for data in (bomb(50_000, 50_000), resized_jpeg(jpeg(image), 12_000, 9_000)):
        assert refusal(tmp_path, data).reason == "picture_too_large"
    assert refusal(tmp_path, jpeg(image), Limits(bytes=1000)).reason == "picture_too_large"
    assert refusal(tmp_path, clip, Limits(whole_pixels=1000)).reason == "picture_too_large"


def test_a_clip_of_an_hour(tmp_path: Path, clip: bytes) -> None:
    refused = refusal(tmp_path, lasting(clip, 3600))
    assert refused.reason == "clip_too_long"
    assert "3,600 s" in refused.detail


def test_what_is_damaged(tmp_path: Path, image: np.ndarray) -> None:
    data = bytearray(png(image))
    data[data.index(b"IDAT") + 20] ^= 1
    assert "IDAT" in refusal(tmp_path, bytes(data)).detail
    assert refusal(tmp_path, jpeg(image)[:2] + b"\xff\xda\x00\x02\xff\xd9").reason == "unreadable_picture"
    assert (
        refusal(tmp_path, b"\0\0\0\x10ftypisom\0\0\0\0" + struct.pack(">I4s", 8, b"moov")).reason
        == "unreadable_picture"
    )
    (tmp_path / "folder.jpg").mkdir()
    with pytest.raises(PictureError, match="unreadable_picture"):
        load(tmp_path / "folder.jpg")


@pytest.mark.parametrize("name", ["photo.jpg", "photo.png", "%03d.jpg", "-x", "a:b.mp4", "it's [a] name*"])
def test_the_name_says_nothing(tmp_path: Path, image: np.ndarray, clip: bytes, name: str) -> None:
    path = tmp_path / name
    for data in (jpeg(image), png(image)):
        path.write_bytes(data)
        (frame,) = load(path).frames
        assert frame.shape == (480, 640, 3)
        assert frame[:200].mean() > 190
        assert frame[280:].mean() < 50
    path.write_bytes(clip)
    picture = load(path)
    assert picture.kind == "clip"
    levels = [float(frame.mean()) for frame in picture.frames]
    assert len(levels) == 9
    assert levels == sorted(levels)
    assert levels[-1] > levels[0] + 80  # from the whole clip, not from its beginning


def test_a_large_photo_is_decoded_at_a_fraction_of_its_size(tmp_path: Path) -> None:
    path = tmp_path / "large.jpg"
    path.write_bytes(jpeg(np.full((3000, 4000, 3), 90, np.uint8)))
    assert load(path).frames[0].shape == (1500, 2000, 3)


def test_a_photo_stands_upright_and_nothing_but_pixels_is_kept(tmp_path: Path, image: np.ndarray) -> None:
    pil = pytest.importorskip("PIL.Image")
    exif = pil.Exif()
    exif[0x0112] = 6  # the camera was turned: the picture's top is its right side
    exif[0x010F] = "maker of the phone"
    buffer = io.BytesIO()
    pil.fromarray(image[..., ::-1]).save(buffer, "JPEG", exif=exif)
    path = tmp_path / "turned.jpg"
    path.write_bytes(buffer.getvalue())
    (frame,) = load(path).frames
    assert frame.shape == (640, 480, 3)
    assert frame[:, 280:].mean() > 190
    assert frame[:, :200].mean() < 50
