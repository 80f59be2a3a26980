"""The Dask cluster that the buckets of a fleet may be spread over, if one is named."""

from __future__ import annotations

import ipaddress
from importlib.util import find_spec
from urllib.parse import urlsplit

from flows.settings import CLUSTER_VARIABLE, cluster_address, prefect_api_url
from transforms.errors import UsageError


def cluster() -> str | None:
    """The scheduler's address, None where no cluster is named.

    Raises
    ------
    UsageError
        If it cannot be used: what it takes is not installed, or its workers could not reach Prefect's server.
    """
    address = cluster_address()
    if address is None:
        return None
    if find_spec("prefect_dask") is None:
        raise UsageError(
            f"{CLUSTER_VARIABLE} is set, but what it takes is missing; run: pip install 'meterwright[cluster]'"
        )
    if not _is_here(urlsplit(address).hostname or "") and not prefect_api_url():
        raise UsageError(
            f"{CLUSTER_VARIABLE} names another machine ({address}), whose workers do not reach a server that lives on this "
            "one for the time of a run; name one that they reach with PREFECT_API_URL"
        )
    return address


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:  # a name
        return False
