"""Display: reads what a photo or clip of a meter's display shows. Vision only; what follows from it is decided elsewhere."""

from transforms.display.sight import Candidate, Sight

__all__ = ["Candidate", "Sight"]
