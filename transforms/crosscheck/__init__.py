"""Crosscheck: what readings that a mapping made say against that mapping: their instants, sizes, and one against another."""

from transforms.crosscheck.concerns import Concern, concerns

__all__ = ["Concern", "concerns"]
