"""The engine: RapidOCR's text recogniser and text finder, run from the models that lie inside its package.

The models are run directly: RapidOCR's own pipeline turns seven-segment digits upside down, drops small last digits, and
gives a text where the probabilities are wanted. Everything here needs the extra ``photos``, imported where it is used.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

_RECOGNISER: Final = "PP-OCRv6_rec_small.onnx"
_FINDER: Final = "PP-OCRv6_det_small.onnx"
#: characters that a minus may be taken for
_DASHES: Final = "-‐–—−一_~"
#: height of a line that the recogniser reads [pixels]
LINE: Final = 48
#: long side at which the finder looks, a multiple of 32 [pixels]
_FIND: Final = 480
_MEAN: Final = np.array([0.485, 0.456, 0.406], np.float32)
_SCATTER: Final = np.array([0.229, 0.224, 0.225], np.float32)


class EngineMissing(Exception):
    """The extra ``photos`` is not installed, or its models are not where they should be."""


@dataclass
class Engine:
    """What reads: OpenCV and the two models. Made by `open_engine`; one thread, no state from picture to picture."""

    cv2: Any
    _models: Path
    _runtime: Any
    _recogniser: Any
    _digits: NDArray[np.intp]
    _dashes: NDArray[np.intp]
    _finder: Any = None

    def steps(self, line: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Probabilities across a line of text: steps by 11, none first, then the digits.

        Whatever is no digit counts as none, the decimal point above all.

        Parameters
        ----------
        line
            Grey, `LINE` high.
        """
        digits = self._probabilities(line)[:, self._digits]
        steps: NDArray[np.float32] = np.concatenate([1 - digits.sum(1, keepdims=True), digits], 1)
        return steps

    def minus(self, line: NDArray[np.uint8]) -> float:
        """How probable it is that a line begins with a minus: its highest probability before the first digit."""
        found = self._probabilities(line)
        digits = np.flatnonzero(found[:, self._digits].max(1) > 0.5)
        before = found[: digits[0] if len(digits) else len(found), self._dashes].sum(1)
        return float(before.max(initial=0.0))

    def _probabilities(self, line: NDArray[np.uint8]) -> NDArray[np.float32]:
        plane = line.astype(np.float32) / 127.5 - 1
        batch = np.repeat(plane[None, None], 3, axis=1)
        (found,) = self._recogniser.run(None, {self._recogniser.get_inputs()[0].name: batch})
        probabilities: NDArray[np.float32] = found[0]
        return probabilities

    def lines(self, image: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        """Corners of the lines of text on a picture (BGR), the largest first: for pictures without a clear display."""
        cv2 = self.cv2
        if self._finder is None:
            self._finder = _session(self._runtime, self._models / _FINDER)
        scale = _FIND / max(image.shape[:2])
        width, height = (max(32, int(side * scale) // 32 * 32) for side in (image.shape[1], image.shape[0]))
        small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        # Faint displays are lost on the model otherwise.
        grey = cv2.createCLAHE(3.0, (4, 4)).apply(
            cv2.cvtColor(cv2.GaussianBlur(small, (0, 0), 0.8), cv2.COLOR_BGR2GRAY)
        )
        small = cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR)
        plane = (small.astype(np.float32) / 255 - _MEAN) / _SCATTER
        (found,) = self._finder.run(None, {self._finder.get_inputs()[0].name: plane.transpose(2, 0, 1)[None].copy()})
        mask = (found[0, 0] > 0.3).astype(np.uint8)
        contours, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
        ratio = np.array([image.shape[1] / width, image.shape[0] / height], np.float32)
        boxes = []
        for contour in contours:
            (x, y), (w, h), angle = cv2.minAreaRect(contour)
            if min(w, h) < 3:
                continue
            # The model marks the core of a line; its edges lie this much further out (DBNet's unclip ratio, 1.6).
            grow = w * h * 1.6 / (w + h)
            corners = cv2.boxPoints(((x, y), (w + grow, h + grow), angle)) * ratio
            boxes.append((w * h, corners.astype(np.float32)))
        boxes.sort(key=lambda pair: -pair[0])
        return [corners for _, corners in boxes]


def open_vision() -> Any:
    """OpenCV, on one thread and silent.

    Raises
    ------
    EngineMissing
        If the extra ``photos`` is not installed.
    """
    try:
        import cv2
    except ImportError as error:
        raise EngineMissing(_missing(error.name)) from error
    cv2.setNumThreads(1)
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    return cv2


def open_engine() -> Engine:
    """Load OpenCV and the recogniser.

    Raises
    ------
    EngineMissing
        If the extra ``photos`` is not installed.
    """
    cv2 = open_vision()
    try:
        import onnxruntime
    except ImportError as error:
        raise EngineMissing(_missing(error.name)) from error
    models = _models()
    if models is None:
        raise EngineMissing(_missing("rapidocr"))
    onnxruntime.set_default_logger_severity(3)
    recogniser = _session(onnxruntime, models / _RECOGNISER)
    characters = recogniser.get_modelmeta().custom_metadata_map["character"].split("\n")
    # The first column is "none".
    digits = np.array([1 + characters.index(digit) for digit in "0123456789"], np.intp)
    dashes = np.array([1 + characters.index(dash) for dash in _DASHES if dash in characters], np.intp)
    return Engine(cv2, models, onnxruntime, recogniser, digits, dashes)


def installed() -> bool:
    """Whether the extra ``photos`` is there, without loading it."""
    from importlib.util import find_spec

    return all(find_spec(name) is not None for name in ("cv2", "onnxruntime")) and _models() is not None


def _models() -> Path | None:
    """RapidOCR's folder of models, if it holds both that are needed."""
    from importlib.util import find_spec

    spec = find_spec("rapidocr")
    if spec is None or not spec.origin:
        return None
    models = Path(spec.origin).parent / "models"
    return models if all((models / name).is_file() for name in (_RECOGNISER, _FINDER)) else None


def _missing(name: str | None) -> str:
    return f"photos cannot be read: {name or 'a library'} is not installed; pip install meterwright[photos]"


def _session(runtime: Any, model: Path) -> Any:
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False  # an arena keeps the largest picture's memory for ever
    return runtime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
