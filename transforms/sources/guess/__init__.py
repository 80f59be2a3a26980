"""Guess: proposes how an unknown export is read, with its reasons and with what it is unsure of."""

from transforms.sources.guess.look import Looked, LookError, look_at
from transforms.sources.guess.propose import propose
from transforms.sources.guess.proposed import Proposal, Proposed
from transforms.sources.guess.toml_text import to_toml

__all__ = ["LookError", "Looked", "Proposal", "Proposed", "look_at", "propose", "to_toml"]
