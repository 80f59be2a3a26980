"""Thumbnails: small copies of photos that hold pixels and nothing else: no place, no time, no camera, no comment."""

from __future__ import annotations

import base64
import io
import struct
import warnings
from pathlib import Path
from typing import Final

#: larger pictures are not opened for a thumbnail: a copy for a report is not worth the memory
_MOST_PIXELS: Final = 40_000_000
_QUALITY: Final = 72
#: what Pillow raises on files that are not what they seem
_BROKEN: Final = (OSError, ValueError, SyntaxError, TypeError, ArithmeticError, LookupError, EOFError, struct.error)


def thumbnail(path: Path, longest: int) -> bytes | None:
    """A JPEG of a photo, upright, its longer side at most so many pixels; None where there is no picture to be had.

    The pixels are copied into a new picture before they are written, so that nothing that the camera noted survives.
    The same file gives the same bytes.
    """
    from PIL import Image, ImageOps

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with path.open("rb") as file, Image.open(file, formats=("JPEG", "PNG")) as opened:
                if opened.width * opened.height > _MOST_PIXELS:
                    return None
                opened.draft("RGB", (2 * longest, 2 * longest))  # a JPEG is decoded no larger than needed
                upright = ImageOps.exif_transpose(opened).convert("RGB")
    except (*_BROKEN, Image.DecompressionBombError):
        return None  # whatever is wrong with the file, the reading has said so already
    upright.thumbnail((longest, longest))
    clean = Image.new("RGB", upright.size)
    clean.paste(upright)
    written = io.BytesIO()
    clean.save(written, "JPEG", quality=_QUALITY, optimize=True)
    return written.getvalue()


def data_uri(jpeg: bytes) -> str:
    """A JPEG as an address that holds it, for pages that load nothing."""
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode('ascii')}"
