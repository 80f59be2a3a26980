"""Signatures: who vouches for a manifest, with Ed25519 (RFC 8032). The same manifest and key give the same bytes."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from transforms.canonical import canonical
from transforms.errors import UsageError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ALGORITHM = "ed25519"
_SIZE = 32


@dataclass(frozen=True)
class SigningKey:
    """A private key, and in ``public`` the public half: its 32 bytes in base64, which is how manifests name a key."""

    public: str
    _private: Ed25519PrivateKey = field(repr=False)

    @classmethod
    def new(cls) -> SigningKey:
        """A key from the operating system's random numbers."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return cls._of(Ed25519PrivateKey.generate())

    @classmethod
    def read(cls, text: str, origin: str) -> SigningKey:
        """Read a key: PEM (PKCS 8, not encrypted), or base64 of the 32 bytes of the seed.

        Parameters
        ----------
        origin
            Where the text comes from, for messages; they never show the text.

        Raises
        ------
        UsageError
            If it is no such key.
        """
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        if "-----BEGIN" not in text:
            seed = _decoded(text)
            if seed is None:
                raise UsageError(f"{origin} is no signing key; it must be PEM, or base64 of 32 bytes")
            return cls._of(Ed25519PrivateKey.from_private_bytes(seed))
        try:
            # A variable of the environment often holds its line feeds written out.
            key = load_pem_private_key(text.replace("\\n", "\n").encode(), password=None)
        except TypeError:
            raise UsageError(f"{origin} is encrypted; give the key without a password") from None
        except ValueError:
            raise UsageError(f"{origin} cannot be read as a private key in PEM") from None
        if not isinstance(key, Ed25519PrivateKey):
            raise UsageError(f"{origin} is a key of another kind; it must be one for Ed25519")
        return cls._of(key)

    @classmethod
    def _of(cls, private: Ed25519PrivateKey) -> SigningKey:
        return cls(base64.b64encode(private.public_key().public_bytes_raw()).decode(), private)

    def sign(self, content: bytes) -> str:
        """The signature of some bytes, in base64."""
        return base64.b64encode(self._private.sign(content)).decode()

    def pem(self) -> str:
        """The private key as PEM text."""
        from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

        return self._private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

    def public_pem(self) -> str:
        """The public key as PEM text."""
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        return self._private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def read_public(text: str, origin: str) -> str:
    """Read a public key, PEM or base64 of its 32 bytes, and return it as manifests name it.

    Raises
    ------
    UsageError
        If it is no such key.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    if "-----BEGIN" not in text:
        raw = _decoded(text)
        if raw is None:
            raise UsageError(f"{origin} is no public key; it must be PEM, or base64 of 32 bytes")
        return base64.b64encode(raw).decode()
    try:
        key = load_pem_public_key(text.encode())
    except ValueError:
        raise UsageError(f"{origin} cannot be read as a public key in PEM") from None
    if not isinstance(key, Ed25519PublicKey):
        raise UsageError(f"{origin} is a key of another kind; it must be one for Ed25519")
    return base64.b64encode(key.public_bytes_raw()).decode()


def sealed(manifest: Mapping[str, Any], key: SigningKey | None) -> dict[str, Any]:
    """A manifest with its ``signature``: null without a key."""
    unsigned = {name: value for name, value in manifest.items() if name != "signature"}
    if key is None:
        return {**unsigned, "signature": None}
    return {
        **unsigned,
        "signature": {"algorithm": ALGORITHM, "public_key": key.public, "value": key.sign(_content(unsigned))},
    }


def signer_of(manifest: Mapping[str, Any]) -> str | None:
    """The public key whose signature a manifest bears, None where it bears none.

    Raises
    ------
    ValueError
        If the signature is malformed, or is not that of this content; the message says which.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    signature = manifest.get("signature")
    if signature is None:
        return None
    if not isinstance(signature, dict) or signature.get("algorithm") != ALGORITHM:
        raise ValueError(f"not a signature by {ALGORITHM}")
    if set(signature) != {"algorithm", "public_key", "value"}:
        raise ValueError("a signature of other parts than algorithm, public_key and value")
    public = _decoded(signature.get("public_key"))
    value = _decoded(signature.get("value"), 2 * _SIZE)
    if public is None or value is None:
        raise ValueError("the public key or the value is not base64 of the right length")
    unsigned = {name: entry for name, entry in manifest.items() if name != "signature"}
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(value, _content(unsigned))
    except InvalidSignature:
        raise ValueError("not the signature of this content") from None
    return base64.b64encode(public).decode()


def _content(unsigned: Mapping[str, Any]) -> bytes:
    """What is signed: the canonical JSON of the manifest as a reader gets it back, without ``signature``."""
    return canonical(json.loads(json.dumps(unsigned, ensure_ascii=False, allow_nan=False))).encode()


def _decoded(text: object, size: int = _SIZE) -> bytes | None:
    """The bytes behind base64 text, None unless it is that and of the right length."""
    if not isinstance(text, str):
        return None
    spelt = text.strip()
    try:
        raw = base64.b64decode(spelt, validate=True)
    except (binascii.Error, ValueError):
        return None
    # The last character holds bits that decode to nothing: of the spellings only the one that encoding gives is taken.
    return raw if len(raw) == size and base64.b64encode(raw).decode() == spelt else None
