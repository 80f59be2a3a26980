"""Sources: how the columns of foreign exports map to ours."""

from transforms.sources.places import Place
from transforms.sources.reading import collect_sources, read_sources
from transforms.sources.source import CANONICAL, EPOCHS, FORMATS, PULLED, Column, Source

__all__ = ["CANONICAL", "EPOCHS", "FORMATS", "PULLED", "Column", "Place", "Source", "collect_sources", "read_sources"]
