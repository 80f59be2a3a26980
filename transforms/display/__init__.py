"""Display: reads what a photo or clip of a meter's display shows. Vision only; what follows from it is decided elsewhere.

`load` decodes a file within limits, `open_engine` loads the models of the extra ``photos``, `look` reads. Nothing of the
extra is imported before one of them is called.
"""

from transforms.display.engine import Engine, EngineMissing, installed, open_engine
from transforms.display.look import look
from transforms.display.picture import Limits, Picture, PictureError, load
from transforms.display.sight import Candidate, Sight

__all__ = [
    "Candidate", "Engine", "EngineMissing", "Limits", "Picture", "PictureError", "Sight", "installed", "load", "look",
    "open_engine",
]  # fmt: skip
