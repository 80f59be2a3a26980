"""A photo of a display: glass and labels round the digits, a meter's body, a camera, and what spoils pictures."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from tests.displays.segments import Hand, row

Image = NDArray[np.float32]  # BGR, 0 to 255
WIDTH, HEIGHT = 960, 720
_TEXT = cv2.FONT_HERSHEY_SIMPLEX


@dataclass(frozen=True)
class Scene:
    """Everything about a picture but what the display reads. Colours are BGR, 0 to 255; lengths in pixels of 960 x 720.

    Attributes
    ----------
    face, ink, body, frame
        Colours of the glass, of lit segments, of the body, and of the frame about the glass (None: no frame).
    span
        Width of the window.
    margin
        Glass left and right of the digits, above and below them, as shares of the digits' height.
    place
        Centre of the window.
    turn
        Rotation [degrees].
    keystone
        How far each corner is moved at random, as a share of the window's height.
    blur, shake
        Sigma of the blur, and length of a straight motion.
    noise
        Sigma of the sensor's noise.
    contrast
        What is left of the difference between segments and glass, 1 all.
    glare
        Bright spots as (x, y, radius, strength) with the place in shares of the window.
    reflections
        Number of soft stripes over the glass.
    dirt
        Number of opaque specks on the glass.
    shade
        Depth of a shadow over part of the picture.
    cover
        Share of the window's width hidden by something opaque, from one end; below zero from the left.
    labels
        Texts on the glass and the body, a barcode among them.
    quality
        Of the JPEG file.
    """

    face: tuple[float, float, float] = (150, 165, 155)
    ink: tuple[float, float, float] = (40, 40, 40)
    body: tuple[float, float, float] = (150, 150, 150)
    frame: tuple[float, float, float] | None = (30, 30, 30)
    span: float = 600
    margin: tuple[float, float] = (0.5, 0.35)
    place: tuple[float, float] = (480, 360)
    turn: float = 0.0
    keystone: float = 0.0
    blur: float = 0.6
    shake: float = 0.0
    noise: float = 1.0
    contrast: float = 1.0
    glare: tuple[tuple[float, float, float, float], ...] = ()
    reflections: int = 0
    dirt: int = 0
    shade: float = 0.0
    cover: float = 0.0
    labels: bool = True
    unit: str = "m3"
    quality: int = 88
    hand: Hand = field(default_factory=Hand)


def picture(text: str, decimals: int, scene: Scene, seed: int) -> NDArray[np.uint8]:
    """Photograph a display that shows ``text`` (digits, blanks, a sign; no point), as BGR, 720 x 960."""
    rng = np.random.default_rng(seed)
    panel, alpha = _panel(text, decimals, scene, rng)
    image = _body(scene, rng)
    image = _mount(image, panel, alpha, scene, rng)
    image = _camera(image, scene, rng)
    return np.clip(image, 0, 255).astype(np.uint8)


def jpeg(image: NDArray[np.uint8], quality: int = 88) -> bytes:
    """The picture as a JPEG file."""
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


def _panel(text: str, decimals: int, scene: Scene, rng: np.random.Generator) -> tuple[Image, Image]:
    """The window seen from the front, at twice its size in the picture, and where it is opaque."""
    mask = row(text, decimals, scene.hand)
    h = mask.shape[0]
    side, above = int(scene.margin[0] * h), int(scene.margin[1] * h)
    shift = int(rng.uniform(-0.6, 0.6) * side)
    mask = np.pad(mask, ((above, above), (side + shift, side - shift)))
    rows, columns = mask.shape
    if scene.labels:
        mask = np.maximum(mask, _printed(rows, columns, above, side, scene.unit, rng))
    mask = mask[..., None] * np.float32(scene.contrast)
    face, ink = np.array(scene.face, np.float32), np.array(scene.ink, np.float32)
    uneven = 1 + 0.06 * np.linspace(-1, 1, columns, dtype=np.float32)[None, :, None] * rng.choice([-1, 1])
    panel = face * uneven * (1 - mask) + ink * mask
    for _ in range(scene.dirt):
        spot = (int(rng.integers(columns)), int(rng.integers(rows)))
        radius = (int(rng.integers(2, 9)), int(rng.integers(2, 9)))
        shade = float(rng.uniform(40, 200))
        cv2.ellipse(panel, spot, radius, float(rng.uniform(0, 180)), 0, 360, (shade, shade, shade), -1, cv2.LINE_AA)
    if scene.cover:
        cut = int(abs(scene.cover) * columns)
        tone = np.array([110, 135, 185], np.float32) * float(rng.uniform(0.5, 1.1))
        panel[:, (slice(0, cut) if scene.cover < 0 else slice(columns - cut, None))] = tone
    if scene.frame is not None:
        edge = int(0.13 * h)
        panel = cv2.copyMakeBorder(panel, edge, edge, edge, edge, cv2.BORDER_CONSTANT, value=scene.frame)
    return panel.astype(np.float32), np.ones(panel.shape[:2], np.float32)


def _printed(
    rows: int, columns: int, above: int, side: int, unit: str, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Small words on the glass: what is shown, top left, and the unit, bottom right."""
    canvas = np.zeros((rows, columns), np.uint8)
    scale = above / 50
    word = str(rng.choice(["", "T", "FLOW", "BAT", "Q", "TOTAL", "IN"]))
    cv2.putText(canvas, word, (8, int(above * 0.75)), _TEXT, scale * 0.8, 255, max(int(scale * 2), 1), cv2.LINE_AA)
    cv2.putText(canvas, unit, (columns - side + 8, rows - int(above * 0.7)), _TEXT, scale * 0.8, 255,
                max(int(scale * 2), 1), cv2.LINE_AA)  # fmt: skip
    return canvas.astype(np.float32) / 255


def _body(scene: Scene, rng: np.random.Generator) -> Image:
    """The meter's body under uneven light, with its printed labels, serial number and barcode."""
    across = np.linspace(-1, 1, WIDTH, dtype=np.float32)[None, :]
    down = np.linspace(-1, 1, HEIGHT, dtype=np.float32)[:, None]
    light = 1 + 0.18 * (across * rng.uniform(-1, 1) + down * rng.uniform(-1, 1))
    image = np.array(scene.body, np.float32) * light[..., None]
    grain = cv2.GaussianBlur(rng.normal(0, 1, (HEIGHT // 4, WIDTH // 4)).astype(np.float32), (0, 0), 2)
    image += cv2.resize(grain, (WIDTH, HEIGHT))[..., None] * float(rng.uniform(0, 14))
    if not scene.labels:
        return image
    words = ["ULTRASONIC WATER METER", "DN20 Q3 4.0 R400", f"No. {rng.integers(10**7, 10**8)}", "T30  MAP16  IP68"]
    ink = np.zeros((HEIGHT, WIDTH), np.uint8)
    for _ in range(int(rng.integers(1, 4))):
        at = (int(rng.integers(10, 500)), int(rng.integers(24, 700)))
        cv2.putText(ink, str(rng.choice(words)), at, _TEXT, float(rng.uniform(0.5, 0.9)), 255, 2, cv2.LINE_AA)
    image *= 1 - 0.65 * ink[..., None].astype(np.float32) / 255
    if rng.random() < 0.4:
        x, y = int(rng.integers(20, 700)), int(rng.integers(580, 640))
        cv2.rectangle(image, (x - 10, y - 8), (x + 200, y + 60), (235, 235, 235), -1)
        for bar in range(x, x + 190, 5):
            if rng.random() < 0.55:
                cv2.rectangle(image, (bar, y), (bar + int(rng.integers(1, 5)), y + 50), (20, 20, 20), -1)
    return image


def _mount(image: Image, panel: Image, alpha: Image, scene: Scene, rng: np.random.Generator) -> Image:
    """Put the window into the picture with rotation and perspective, then light, stripes and spots on the glass."""
    rows, columns = panel.shape[:2]
    width, height = scene.span, scene.span * rows / columns
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * (width / 2, height / 2)
    corners = corners + rng.uniform(-1, 1, (4, 2)) * scene.keystone * height
    angle = np.radians(scene.turn)
    corners = corners @ np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]) + scene.place
    source = np.array([[0, 0], [columns, 0], [columns, rows], [0, rows]], np.float32)
    to_picture = cv2.getPerspectiveTransform(source, corners.astype(np.float32))
    # Twice the size and then averaged, so that thin segments do not fall between pixels.
    zoom = np.diag([2.0, 2.0, 1.0])
    big = (WIDTH * 2, HEIGHT * 2)
    seen = cv2.resize(cv2.warpPerspective(panel, zoom @ to_picture, big, flags=cv2.INTER_AREA), (WIDTH, HEIGHT),
                      interpolation=cv2.INTER_AREA)  # fmt: skip
    where = cv2.resize(
        cv2.warpPerspective(alpha, zoom @ to_picture, big), (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA
    )
    image = image * (1 - where[..., None]) + seen
    ys, xs = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    for _ in range(scene.reflections):
        slope, at = rng.uniform(-0.6, 0.6), rng.uniform(-0.5, 0.5) * width + scene.place[0]
        stripe = np.exp(-(((xs - at) + slope * (ys - scene.place[1])) ** 2) / (2 * rng.uniform(8, 40) ** 2))
        image += (where * stripe)[..., None] * float(rng.uniform(20, 70))
    for x, y, radius, strength in scene.glare:
        centre = (scene.place[0] + (x - 0.5) * width, scene.place[1] + (y - 0.5) * height)
        far = ((xs - centre[0]) ** 2 + (ys - centre[1]) ** 2) / (2 * (radius * height) ** 2)
        spot = np.minimum(np.exp(-far) * strength, 1)[..., None]
        image = image * (1 - spot) + 255 * spot
    if scene.shade:
        edge = (xs - scene.place[0]) * rng.uniform(-1, 1) + (ys - scene.place[1]) * rng.uniform(-1, 1)
        image *= 1 - scene.shade / (1 + np.exp(-edge / 12))[..., None]
    return image.astype(np.float32)


def _camera(image: Image, scene: Scene, rng: np.random.Generator) -> Image:
    """Blur, motion and noise."""
    if scene.blur > 0:
        image = cv2.GaussianBlur(image, (0, 0), scene.blur)
    if scene.shake >= 2:
        size = int(scene.shake) | 1
        kernel = np.zeros((size, size), np.float32)
        angle = rng.uniform(0, np.pi)
        way = np.array([np.cos(angle), np.sin(angle)]) * (size // 2)
        a, b = (size // 2 - np.rint(way).astype(int)), (size // 2 + np.rint(way).astype(int))
        cv2.line(kernel, a.tolist(), b.tolist(), 1)
        image = cv2.filter2D(image, -1, kernel / kernel.sum())
    grey = rng.normal(0, scene.noise, (*image.shape[:2], 1))
    colour = rng.normal(0, scene.noise * 0.5, image.shape)
    return (image + grey + colour).astype(np.float32)
