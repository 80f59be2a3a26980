"""Real servers on the loopback, each for the time of a block: web with ranges, FTP, SFTP, and a small S3.

They serve a dictionary of names to bytes, and misbehave as a test tells them to.
"""

from __future__ import annotations

import hashlib
import html
import io
import os
import socket
import ssl
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

Files = dict[str, bytes]


@dataclass
class Behaviour:
    """What a server does wrong, and what it was asked.

    ``cut_after`` bytes of a file's body the connection breaks, so many ``cuts`` times; ``drip`` sends a byte a time so
    many seconds; ``lies`` is added to the length that it states.
    """

    cut_after: int | None = None
    cuts: int = 0
    drip: float = 0.0
    lies: int = 0
    requests: list[tuple[str, str, str]] = field(default_factory=list)

    def body(self, data: bytes) -> Iterator[bytes]:
        if self.drip:
            for k in range(len(data)):
                time.sleep(self.drip)
                yield data[k : k + 1]
        elif self.cut_after is not None and self.cuts > 0 and len(data) > self.cut_after:
            self.cuts -= 1
            yield data[: self.cut_after]
            time.sleep(0.2)  # so that what was sent is read, and not lost with the connection
            raise ConnectionAbortedError
        else:
            yield data


def _range(header: str | None, size: int) -> tuple[int, int] | None:
    if not header or not header.startswith("bytes="):
        return None
    first, _, last = header.removeprefix("bytes=").partition("-")
    return int(first), min(int(last) + 1 if last else size, size)


@contextmanager
def _running(server: Any) -> Iterator[int]:
    thread = threading.Thread(target=lambda: server.serve_forever(0.02), daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


@contextmanager
def web_server(
    files: Files, behaviour: Behaviour, *, authorization: str | None = None, context: ssl.SSLContext | None = None
) -> Iterator[int]:
    """A web server with pages of links, etags and ranges; yields its port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            pass

        def do_HEAD(self) -> None:
            self.answer(body=False)

        def do_GET(self) -> None:
            self.answer(body=True)

        def answer(self, *, body: bool) -> None:
            behaviour.requests.append((self.command, self.path, self.headers.get("Range") or ""))
            if authorization is not None and self.headers.get("Authorization") != authorization:
                self.say(401, b"no")
                return
            path = unquote(urlsplit(self.path).path).lstrip("/")
            if path == "" or path.endswith("/"):
                names = [name.removeprefix(path) for name in files if name.startswith(path)]
                links = "".join(f'<a href="{quote(name)}">{html.escape(name)}</a>' for name in names)
                self.say(200, f"<html>{links}</html>".encode(), "text/html")
            elif path in files:
                self.file(files[path], body=body)
            else:
                self.say(404, b"nothing here")

        def say(self, status: int, data: bytes, kind: str = "text/plain") -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(data)

        def file(self, data: bytes, *, body: bool) -> None:
            span = _range(self.headers.get("Range"), len(data))
            part = data if span is None else data[span[0] : span[1]]
            self.send_response(200 if span is None else 206)
            self.send_header("ETag", f'"{hashlib.sha256(data).hexdigest()[:16]}"')
            self.send_header("Accept-Ranges", "bytes")
            if span is not None:
                self.send_header("Content-Range", f"bytes {span[0]}-{span[1] - 1}/{len(data)}")
            self.send_header("Content-Length", str(len(part) + behaviour.lies))
            self.end_headers()
            if not body:
                return
            try:
                for chunk in behaviour.body(part):
                    self.wfile.write(chunk)
                    self.wfile.flush()
            except ConnectionError:
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
            if behaviour.lies:
                self.close_connection = True

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    with _running(server) as port:
        yield port


@contextmanager
def s3_server(files: Files, behaviour: Behaviour, bucket: str = "exports", page: int = 2) -> Iterator[int]:
    """As much of S3 as listing (in pages) and reading ranges takes; yields its port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            pass

        def do_HEAD(self) -> None:
            self.answer()

        def do_GET(self) -> None:
            self.answer()

        def answer(self) -> None:
            split = urlsplit(self.path)
            query = parse_qs(split.query, keep_blank_values=True)
            behaviour.requests.append((self.command, self.path, self.headers.get("Range") or ""))
            holder, _, key = unquote(split.path).lstrip("/").partition("/")
            if holder != bucket or "AWS4-HMAC-SHA256" not in self.headers.get("Authorization", ""):
                self.say(403, b"<Error><Code>AccessDenied</Code><Message>no</Message></Error>")
            elif not key and "list-type" in query:
                self.say(200, _listing(files, query, bucket, page))
            elif key in files:
                self.file(files[key])
            else:
                self.say(404, b"<Error><Code>NoSuchKey</Code></Error>")

        def say(self, status: int, data: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/xml")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(data)

        def file(self, data: bytes) -> None:
            span = _range(self.headers.get("Range"), len(data))
            part = data if span is None else data[span[0] : span[1]]
            self.send_response(200 if span is None else 206)
            self.send_header("ETag", f'"{hashlib.md5(data).hexdigest()}"')  # noqa: S324  # what S3 sends
            self.send_header("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
            self.send_header("Content-Length", str(len(part)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(part)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    with _running(server) as port:
        yield port


def _listing(files: Files, query: dict[str, list[str]], bucket: str, page: int) -> bytes:
    prefix = query.get("prefix", [""])[0]
    delimiter = query.get("delimiter", [""])[0]
    names = sorted(name for name in files if name.startswith(prefix))
    if delimiter:
        names = [name for name in names if delimiter not in name[len(prefix) :]]
    begin = int(query.get("continuation-token", ["0"])[0])
    shown, rest = names[begin : begin + page], names[begin + page :]
    contents = "".join(
        f"<Contents><Key>{html.escape(name)}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
        f"<ETag>&quot;{hashlib.md5(files[name]).hexdigest()}&quot;</ETag><Size>{len(files[name])}</Size>"  # noqa: S324
        "<StorageClass>STANDARD</StorageClass></Contents>"
        for name in shown
    )
    more = f"<NextContinuationToken>{begin + page}</NextContinuationToken>" if rest else ""
    return (
        '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"<Name>{bucket}</Name><Prefix>{html.escape(prefix)}</Prefix><KeyCount>{len(shown)}</KeyCount>"
        f"<MaxKeys>{page}</MaxKeys><IsTruncated>{'true' if rest else 'false'}</IsTruncated>{more}{contents}</ListBucketResult>"
    ).encode()


@contextmanager
def ftp_server(root: Path, user: str, password: str, certificate: Path | None = None) -> Iterator[int]:
    """A real FTP server on a folder, over TLS where there is a certificate; yields its port."""
    from pyftpdlib.authorizers import DummyAuthorizer
    from pyftpdlib.handlers import FTPHandler, TLS_FTPHandler
    from pyftpdlib.servers import FTPServer

    authorizer = DummyAuthorizer()
    authorizer.add_user(user, password, str(root), perm="elr")
    base = TLS_FTPHandler if certificate else FTPHandler
    own: dict[str, Any] = {"authorizer": authorizer, "banner": "ready", "log_prefix": "", "auth_failed_timeout": 0.05}
    if certificate:
        own |= {"certfile": str(certificate), "tls_control_required": True, "tls_data_required": True}
    server = FTPServer(("127.0.0.1", 0), type("Handler", (base,), own))
    ending = threading.Event()

    def serve() -> None:
        while not ending.is_set():
            server.serve_forever(timeout=0.02, blocking=False)
        server.close_all()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield server.address[1]
    finally:
        ending.set()
        thread.join(5)


@contextmanager
def sftp_server(files: Files, user: str, password: str, *, break_after: int | None = None) -> Iterator[tuple[int, str]]:
    """A small SFTP server; yields its port and the fingerprint of its key.

    With ``break_after`` its first connection breaks off after so many bytes of files were read.
    """
    import base64

    import paramiko

    key = paramiko.ECDSAKey.generate()
    fingerprint = "SHA256:" + base64.b64encode(hashlib.sha256(key.asbytes()).digest()).decode().rstrip("=")
    left = [break_after]

    class Gate(paramiko.ServerInterface):
        def check_auth_password(self, username: str, given: str) -> int:
            right = (username, given) == (user, password)
            return paramiko.AUTH_SUCCESSFUL if right else paramiko.AUTH_FAILED

        def check_channel_request(self, kind: str, chanid: int) -> int:
            return paramiko.OPEN_SUCCEEDED

    class Folder(paramiko.SFTPServerInterface):
        def list_folder(self, path: str) -> Any:
            return [_attributes(name, len(data)) for name, data in files.items()]

        def stat(self, path: str) -> Any:
            name = path.lstrip("/")
            if not name:
                folder = _attributes("/", 0)
                folder.st_mode = stat.S_IFDIR | 0o755
                return folder
            return _attributes(name, len(files[name])) if name in files else paramiko.SFTP_NO_SUCH_FILE

        lstat = stat

        def open(self, path: str, flags: int, attr: Any) -> Any:
            name = path.lstrip("/")
            if name not in files or flags & (os.O_WRONLY | os.O_RDWR):
                return paramiko.SFTP_PERMISSION_DENIED
            data = files[name]

            class Handle(paramiko.SFTPHandle):
                def read(self, offset: int, length: int) -> Any:
                    if left[0] is not None:
                        left[0] -= length
                        if left[0] < 0:
                            left[0] = None
                            transports[-1].close()
                            return paramiko.SFTP_CONNECTION_LOST
                    return data[offset : offset + length]

                def stat(self) -> Any:
                    return _attributes(name, len(data))

            return Handle(flags)

    def _attributes(name: str, size: int) -> Any:
        attributes = paramiko.SFTPAttributes()
        attributes.filename, attributes.st_size = name, size
        attributes.st_uid = attributes.st_gid = 0
        attributes.st_mode, attributes.st_mtime, attributes.st_atime = (
            stat.S_IFREG | 0o644,
            1_767_225_600,
            1_767_225_600,
        )
        return attributes

    listener = socket.create_server(("127.0.0.1", 0))
    transports: list[Any] = []

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            transport = paramiko.Transport(connection)
            transport.add_server_key(key)
            transport.set_subsystem_handler("sftp", paramiko.SFTPServer, Folder)
            transports.append(transport)
            try:
                transport.start_server(server=Gate())
            except (paramiko.SSHException, EOFError):
                continue

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield listener.getsockname()[1], fingerprint
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for transport in transports:
            transport.close()


def certificate(folder: Path) -> Path:
    """A certificate for 127.0.0.1 that vouches for itself, with its key, in one PEM file."""
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "loopback")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / "certificate.pem"
    out = io.BytesIO()
    out.write(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
    )
    out.write(made.public_bytes(serialization.Encoding.PEM))
    file.write_bytes(out.getvalue())
    return file
