"""Pictures from files that nobody vouches for: decoded within limits, or refused with a reason.

The size is known before anything is decoded (`containers`), large photos are decoded at a fraction of their size, and of a
clip some frames only. What comes out is pixels: nothing else that a file holds, such as where it was taken, gets further.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from transforms.display import containers
from transforms.display.engine import open_vision

#: long side of what is looked at; larger photos are decoded at a half, a quarter or an eighth [pixels]
_ENOUGH: Final = 1800
#: clips of at most this many frames are gone through in order, longer ones by leaps
_IN_ORDER: Final = 400


@dataclass(frozen=True)
class Limits:
    """How large a picture may be.

    Attributes
    ----------
    bytes
        Of the file.
    pixels
        Of a photo that can be decoded at a fraction of its size (baseline JPEG).
    whole_pixels
        Of a photo that has to be decoded whole (PNG, progressive JPEG), and of a clip's frame.
    passes
        Of a progressive JPEG, each of which goes over the whole picture.
    clip_s
        Length of a clip [s].
    frames
        How many frames of a clip are looked at.
    """

    bytes: int = 64 * 2**20
    pixels: int = 64_000_000
    whole_pixels: int = 16_000_000
    passes: int = 40
    clip_s: float = 120.0
    frames: int = 9


@dataclass(frozen=True)
class Picture:
    """A photo or clip as pixels: BGR frames of one size, one for a photo, in order of time for a clip."""

    kind: Literal["photo", "clip"]
    frames: tuple[NDArray[np.uint8], ...]


class PictureError(Exception):
    """A file that cannot be looked at. ``reason`` is a code of `transforms.reasons`, ``detail`` says more to people."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


def load(path: Path, *, limits: Limits | None = None) -> Picture:
    """Decode a photo or clip.

    Parameters
    ----------
    path
        The file; its name says nothing about what it is.
    limits
        How large it may be; by default `Limits()`.

    Raises
    ------
    PictureError
        ``not_a_picture``, ``truncated_picture``, ``picture_too_large``, ``clip_too_long`` or ``unreadable_picture``.
    EngineMissing
        If the extra ``photos`` is not installed.
    """
    limits = limits or Limits()
    cv2 = open_vision()
    data = _bytes(path, limits)
    kind = containers.kind(data)
    try:
        if kind == "jpeg":
            return _photo(cv2, data, containers.jpeg(data), limits, whole=False)
        if kind == "png":
            still, bare = containers.png(data)
            return _photo(cv2, bare, still, limits, whole=True)
        if kind == "mp4":
            return _clip(cv2, path, containers.mp4(data), limits)
    except containers.Truncated:
        raise PictureError("truncated_picture", f"{kind} file of {len(data):,} bytes") from None
    except containers.Broken as fault:
        raise PictureError("unreadable_picture", f"{kind} file: {fault}") from None
    raise PictureError("not_a_picture", _beginning(data))


def _bytes(path: Path, limits: Limits) -> bytes:
    """The file, if it is not too large; one byte more than allowed is read at most, whatever its size says."""
    try:
        if path.exists() and not path.is_file():
            raise PictureError("unreadable_picture", "it is no ordinary file")
        with path.open("rb") as file:
            data = file.read(limits.bytes + 1)
    except OSError as error:
        raise PictureError("unreadable_picture", error.strerror or "it cannot be opened") from None
    if len(data) > limits.bytes:
        raise PictureError("picture_too_large", f"more than {limits.bytes // 2**20} MiB")
    return data


def _beginning(data: bytes) -> str:
    return f"begins with bytes {data[:8].hex(' ')}; JPEG, PNG and MP4 are read" if data else "the file is empty"


def _photo(cv2: Any, data: bytes, still: containers.Still, limits: Limits, *, whole: bool) -> Picture:
    size = f"{still.width} x {still.height} pixels"
    allowed = limits.whole_pixels if whole or still.passes > 1 else limits.pixels
    if still.width * still.height > allowed:
        raise PictureError(
            "picture_too_large", f"{size}; at most {allowed // 10**6} million are decoded of such a file"
        )
    if still.passes > limits.passes:
        raise PictureError(
            "picture_too_large", f"{still.passes} passes over the picture; at most {limits.passes} are made"
        )
    way = cv2.IMREAD_COLOR
    for fraction, reduced in (
        (8, cv2.IMREAD_REDUCED_COLOR_8),
        (4, cv2.IMREAD_REDUCED_COLOR_4),
        (2, cv2.IMREAD_REDUCED_COLOR_2),
    ):
        if max(still.width, still.height) >= fraction * _ENOUGH:
            way = reduced
            break
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), way)
    except cv2.error:
        image = None
    if image is None:
        raise PictureError("unreadable_picture", f"{size}, but they cannot be decoded")
    return Picture("photo", (_reduced(cv2, image),))


def _reduced(cv2: Any, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    scale = 1.4 * _ENOUGH / max(image.shape[:2])
    if scale >= 1:
        return image
    small: NDArray[np.uint8] = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return small


def _clip(cv2: Any, path: Path, clip: containers.Clip, limits: Limits) -> Picture:
    if clip.seconds > limits.clip_s:
        raise PictureError("clip_too_long", f"{clip.seconds:,.0f} s; at most {limits.clip_s:,.0f} s are looked at")
    if clip.width * clip.height > limits.whole_pixels:
        raise PictureError("picture_too_large", f"frames of {clip.width} x {clip.height} pixels")
    with path.open("rb") as file:
        # By its number: of a file's name FFmpeg would make a pattern (%03d) or a protocol, and choose its reader by the ending.
        video = cv2.VideoCapture(f"/dev/fd/{file.fileno()}", cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
        try:
            if not video.isOpened():
                raise PictureError("unreadable_picture", "mp4 file: its frames cannot be decoded")
            if video.get(cv2.CAP_PROP_FRAME_WIDTH) * video.get(cv2.CAP_PROP_FRAME_HEIGHT) > limits.whole_pixels:
                raise PictureError("picture_too_large", "frames larger than the file says")
            frames = [_reduced(cv2, frame) for frame in _sampled(cv2, video, limits.frames)]
        finally:
            video.release()
    if not frames:
        raise PictureError("unreadable_picture", "mp4 file: its frames cannot be decoded")
    return Picture("clip", tuple(frames))


def _sampled(cv2: Any, video: Any, count: int) -> list[NDArray[np.uint8]]:
    """Frames at even distances: by going through a short clip, by leaping through a long one."""
    total = int(video.get(cv2.CAP_PROP_FRAME_COUNT))
    wanted = np.unique(np.linspace(0, max(total - 1, 0), count).astype(int))
    frames: list[NDArray[np.uint8]] = []
    at = 0
    for place in wanted:
        if total > _IN_ORDER:
            video.set(cv2.CAP_PROP_POS_FRAMES, int(place))
        else:
            while at < place and video.grab():
                at += 1
        good, frame = video.read()
        at += 1
        if good and frame is not None:
            frames.append(frame)
    return frames
