"""One sentence for whatever a client raises, without a credential and without a traceback."""

from __future__ import annotations

import asyncio
import ftplib
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

from flows.pulling.credentials import Credentials
from flows.pulling.errors import PullError, RetryError

#: errors of the network that may be gone a moment later
_PASSING = (ConnectionError, TimeoutError, asyncio.TimeoutError, socket.gaierror, EOFError, ftplib.error_temp)
#: by the names of their classes, since the libraries may be missing: errors of the clients that may pass
_PASSING_NAMES = frozenset(
    {"ClientConnectionError", "ClientPayloadError", "ServerTimeoutError", "ServerDisconnectedError", "FSTimeoutError",
     "ClientConnectorError", "ClientOSError", "EndpointConnectionError", "ReadTimeoutError", "ConnectTimeoutError",
     "IncompleteReadError", "ResponseStreamingError", "ContentLengthError", "HTTPClientError", "SSHException"}
)  # fmt: skip
#: errors of the clients that will come again
_LASTING_NAMES = frozenset(
    {"AuthenticationException", "BadHostKeyException", "PasswordRequiredException", "ClientResponseError",
     "ClientConnectorCertificateError", "NoCredentialsError", "ClientError", "BotoCoreError"}
)  # fmt: skip


@contextmanager
def guarded(address: str, credentials: Credentials) -> Iterator[None]:
    """Turn what clients raise inside the block into `PullError`, or `RetryError` where another try may help."""
    try:
        yield
    except PullError:
        raise
    except Exception as raised:
        error = _cause(raised)
        names = [kind.__name__ for kind in type(error).__mro__]
        # the nearest class that is known decides: one that lasts may be a kind of one that passes
        known = next((name for name in names if name in _LASTING_NAMES | _PASSING_NAMES), None)
        sentence = credentials.redact(f"{address}: {_words(error)}")
        if isinstance(error, ssl.SSLError) or known in _LASTING_NAMES:
            raise PullError(sentence) from None
        if isinstance(error, FileNotFoundError | PermissionError | ftplib.error_perm):
            raise PullError(sentence) from None
        if isinstance(error, _PASSING) or known in _PASSING_NAMES:
            raise RetryError(sentence) from None
        if isinstance(error, OSError | ftplib.Error | ValueError):
            raise PullError(sentence) from None
        raise


def _cause(error: Exception) -> Exception:
    """What a client means by «no such file»: it says so of whatever went wrong while it asked, too."""
    inner = error.__cause__
    silent = isinstance(error, FileNotFoundError) and isinstance(inner, Exception)
    return inner if silent and isinstance(inner, Exception) and getattr(inner, "status", None) != 404 else error


def _words(error: BaseException) -> str:
    if isinstance(error, FileNotFoundError):
        return "there is no such file or folder"
    if isinstance(error, TimeoutError | asyncio.TimeoutError) or "Timeout" in type(error).__name__:
        return "no answer within pull.timeout"
    status = getattr(error, "status", None)
    if status is not None:
        return f"the server answers {status} {getattr(error, 'message', '')}".rstrip()
    first = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    return f"{first} ({type(error).__name__})" if first else type(error).__name__
