"""Pulling: fetches the dumps of sources that have a place into raw/, each file once."""

from flows.pulling.errors import PullError
from flows.pulling.puller import Pulled, pull

__all__ = ["PullError", "Pulled", "pull"]
