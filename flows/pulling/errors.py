"""What can go wrong while dumps are fetched; a sentence never holds a credential."""

from __future__ import annotations

from transforms.errors import MeterwrightError


class PullError(MeterwrightError):
    """A place cannot be reached, refuses, or does not keep its word. What was fetched so far is kept."""


class RetryError(PullError):
    """The same, where another try may help: the connection broke off, or a server was silent for too long."""
