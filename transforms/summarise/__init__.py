"""Summarise: the matched pairs of a bucket, reduced to moments."""

from transforms.summarise.bucket import BucketSummary, list_pairs, look_closer, summarise_bucket
from transforms.summarise.moments import BINS, Moments
from transforms.summarise.pairs import Pairs
from transforms.summarise.record import recorded
from transforms.summarise.window import summarise_window

__all__ = [
    "BINS",
    "BucketSummary",
    "Moments",
    "Pairs",
    "list_pairs",
    "look_closer",
    "recorded",
    "summarise_bucket",
    "summarise_window",
]
