"""Match: which flowmeter watches which meter, and which of their readings belong to the same instant."""

from transforms.match.bucket import CHANGED, METERS, Matched, Parties, match_bucket
from transforms.match.claims import claims
from transforms.match.pairing import Pairing, resolve

__all__ = ["CHANGED", "METERS", "Matched", "Pairing", "Parties", "claims", "match_bucket", "resolve"]
