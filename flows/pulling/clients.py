"""The fsspec clients of places, made so that no server is trusted whose identity is not shown."""

from __future__ import annotations

import base64
import hashlib
import ssl
from collections.abc import Callable
from ftplib import FTP_TLS
from typing import Any, Final

from flows.pulling.credentials import Credentials
from flows.pulling.errors import PullError
from transforms.sources.places import Place


def _folder(_place: Place, _credentials: Credentials, _timeout_s: float) -> Any:
    from fsspec.implementations.local import LocalFileSystem

    return LocalFileSystem(skip_instance_cache=True)


def _s3(_place: Place, credentials: Credentials, timeout_s: float) -> Any:
    from s3fs import S3FileSystem

    own = {
        "key": credentials.key or credentials.user,
        "secret": credentials.secret or credentials.password,
        "token": credentials.token,
        "endpoint_url": credentials.endpoint,
    }
    return S3FileSystem(
        **{name: value for name, value in own.items() if value},
        config_kwargs={"connect_timeout": timeout_s, "read_timeout": timeout_s, "retries": {"max_attempts": 1}},
        skip_instance_cache=True,
        use_listings_cache=False,
    )


def _sftp(place: Place, credentials: Credentials, timeout_s: float) -> Any:
    import paramiko
    from fsspec.implementations.sftp import SFTPFileSystem

    class Fingerprint(paramiko.MissingHostKeyPolicy):  # type: ignore[misc]
        """Accepts the one key that sources.toml names."""

        def missing_host_key(self, client: Any, hostname: str, key: Any) -> None:
            shown = "SHA256:" + base64.b64encode(hashlib.sha256(key.asbytes()).digest()).decode().rstrip("=")
            if shown != place.host_key:
                wanted = place.host_key or "one in known_hosts"
                raise PullError(f"{place.address}: the server shows the key {shown}, not {wanted}")

    class Known(SFTPFileSystem):  # type: ignore[misc]
        """Trusts the keys in the user's known_hosts, or the fingerprint given, and no other."""

        def _connect(self) -> None:
            self.client = paramiko.SSHClient()
            if place.host_key is None:
                self.client.load_system_host_keys()
            self.client.set_missing_host_key_policy(Fingerprint())
            self.client.connect(self.host, **self.ssh_kwargs)
            self.ftp = self.client.open_sftp()
            channel = self.ftp.get_channel()
            if channel is not None:
                channel.settimeout(timeout_s)

    own: dict[str, Any] = {
        "username": credentials.user,
        "password": credentials.password,
        "key_filename": credentials.key_file,
    }
    return Known(
        place.host,
        port=place.port or 22,
        timeout=timeout_s,
        banner_timeout=timeout_s,
        auth_timeout=timeout_s,
        skip_instance_cache=True,
        **{name: value for name, value in own.items() if value},
    )


def _ftp(place: Place, credentials: Credentials, timeout_s: float) -> Any:
    from fsspec.implementations.ftp import FTPFileSystem

    class Checked(FTPFileSystem):  # type: ignore[misc]
        """FTP, or FTP over TLS with a certificate that must be good, for both connections."""

        def _connect(self) -> None:
            if place.scheme == "ftp":
                super()._connect()
                return
            self.ftp = FTP_TLS(timeout=self.timeout, encoding=self.encoding, context=ssl.create_default_context())  # noqa: S321
            self.ftp.connect(self.host, self.port)
            self.ftp.login(*self.cred)
            self.ftp.prot_p()

    return Checked(
        place.host,
        port=place.port or 21,
        username=credentials.user or "anonymous",
        password=credentials.password,
        timeout=timeout_s,
        skip_instance_cache=True,
        use_listings_cache=False,
    )


def _web(_place: Place, credentials: Credentials, timeout_s: float) -> Any:
    import aiohttp
    from fsspec.implementations.http import HTTPFileSystem

    async def get_client(**options: Any) -> aiohttp.ClientSession:
        headers = {"User-Agent": "meterwright", "Accept-Encoding": "identity"}
        if credentials.token:
            headers["Authorization"] = f"Bearer {credentials.token}"
        elif credentials.user:
            pair = base64.b64encode(f"{credentials.user}:{credentials.password}".encode()).decode()
            headers["Authorization"] = f"Basic {pair}"
        silence = aiohttp.ClientTimeout(total=None, sock_connect=timeout_s, sock_read=timeout_s)
        # aiohttp makes its own context when it is imported, which is before anybody could name another authority
        connector = aiohttp.TCPConnector(ssl=ssl.create_default_context())
        return aiohttp.ClientSession(timeout=silence, headers=headers, connector=connector, **options)

    return HTTPFileSystem(
        get_client=get_client, use_listings_cache=False, skip_instance_cache=True, simple_links=False, same_scheme=True
    )


CLIENTS: Final[dict[str, Callable[[Place, Credentials, float], Any]]] = {
    "file": _folder,
    "s3": _s3,
    "sftp": _sftp,
    "ftp": _ftp,
    "ftps": _ftp,
    "http": _web,
    "https": _web,
}
