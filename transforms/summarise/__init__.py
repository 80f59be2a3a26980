"""Summarise: the matched pairs of a bucket, reduced to moments in the statement that joins them."""

from transforms.summarise.bucket import BucketSummary, Machine, list_pairs, summarise_bucket
from transforms.summarise.moments import BINS, Moments

__all__ = ["BINS", "BucketSummary", "Machine", "Moments", "list_pairs", "summarise_bucket"]
