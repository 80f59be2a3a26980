"""Photos: what came into raw/images, what was read off it, whether that can be, and what a person said about it."""

from transforms.photos.intake import Intake, Photo, take_in
from transforms.photos.places import IMAGES
from transforms.photos.plausible import Bounds, bounds_of
from transforms.photos.readings import READER_REASONS, reading_of, reviewed, with_wire
from transforms.photos.reviews import Review, Reviews, fold_reviews, read_reviews
from transforms.photos.wire import Flows, Span, Wire, wires

__all__ = [
    "IMAGES",
    "READER_REASONS",
    "Bounds",
    "Flows",
    "Intake",
    "Photo",
    "Review",
    "Reviews",
    "Span",
    "Wire",
    "bounds_of",
    "fold_reviews",
    "read_reviews",
    "reading_of",
    "reviewed",
    "take_in",
    "wires",
    "with_wire",
]
