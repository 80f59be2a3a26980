"""Sources: how the columns of foreign exports map to ours."""

from transforms.sources.places import Place
from transforms.sources.reading import collect_sources, read_sources
from transforms.sources.source import CANONICAL, EPOCHS, EXCEL, FORMATS, FROM_TOP, PULLED, Choice, Column, Source, Wide

__all__ = [
    "CANONICAL",
    "EPOCHS",
    "EXCEL",
    "FORMATS",
    "FROM_TOP",
    "PULLED",
    "Choice",
    "Column",
    "Place",
    "Source",
    "Wide",
    "collect_sources",
    "read_sources",
]
