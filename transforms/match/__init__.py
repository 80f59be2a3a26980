"""Match: which flowmeter watches which meter, and which of their readings belong to the same instant."""

from transforms.match.bucket import METERS, Matched, match_bucket
from transforms.match.claims import claims
from transforms.match.pairing import Pairing, resolve
from transforms.match.parties import CHANGED, Parties

__all__ = ["CHANGED", "METERS", "Matched", "Pairing", "Parties", "claims", "match_bucket", "resolve"]
