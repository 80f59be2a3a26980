"""Signatures: keys in their forms, the same bytes each time, and nothing that is altered passes."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from transforms.errors import UsageError
from transforms.signature import SigningKey, read_public, sealed, signer_of

# RFC 8032, section 7.1, test 1: seed, public key, and the signature of nothing.
SEED = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
PUBLIC = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
OF_NOTHING = bytes.fromhex(
    "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
)
MANIFEST: dict[str, Any] = {"run_id": "r", "counts": {"é": 1, "z": [0.1, -0.0, 1e-9]}, "previous": None}


def key() -> SigningKey:
    return SigningKey.read(base64.b64encode(SEED).decode(), "here")


def test_published_numbers() -> None:
    assert base64.b64decode(key().public) == PUBLIC
    assert base64.b64decode(key().sign(b"")) == OF_NOTHING


def test_forms_of_a_key() -> None:
    one = key()
    for text in (one.pem(), one.pem().replace("\n", "\\n"), f" {base64.b64encode(SEED).decode()}\n"):
        assert SigningKey.read(text, "here").public == one.public
    for text in (one.public_pem(), one.public + "\n"):
        assert read_public(text, "there") == one.public


@pytest.mark.parametrize(
    "text", ["", "secret", base64.b64encode(b"short").decode(), "-----BEGIN PRIVATE KEY-----\nsecret\n"]
)
def test_what_is_no_key_is_said_without_showing_it(text: str) -> None:
    with pytest.raises(UsageError, match=r"^here ") as private:
        SigningKey.read(text, "here")
    with pytest.raises(UsageError, match=r"^there "):
        read_public(text, "there")
    assert "secret" not in str(private.value)


def test_keys_of_another_kind_and_encrypted_ones() -> None:
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519

    def pem(private: Any, cipher: Any) -> str:
        return private.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, cipher).decode()

    other = ec.generate_private_key(ec.SECP256R1())
    with pytest.raises(UsageError, match="another kind"):
        SigningKey.read(pem(other, form.NoEncryption()), "here")
    public = other.public_key().public_bytes(form.Encoding.PEM, form.PublicFormat.SubjectPublicKeyInfo).decode()
    with pytest.raises(UsageError, match="another kind"):
        read_public(public, "there")
    locked = pem(ed25519.Ed25519PrivateKey.generate(), form.BestAvailableEncryption(b"word"))
    with pytest.raises(UsageError, match="encrypted"):
        SigningKey.read(locked, "here")


def test_a_key_never_shows_its_secret() -> None:
    assert repr(key()) == f"SigningKey(public={key().public!r})"
    assert SigningKey.new().public != SigningKey.new().public


def test_the_same_bytes_each_time_and_after_reading_back() -> None:
    signed = sealed(MANIFEST, key())
    assert signed == sealed({**MANIFEST, "signature": "an old one"}, key())
    assert signer_of(json.loads(json.dumps(signed))) == key().public
    reordered = dict(sorted(signed.items(), reverse=True))
    assert signer_of(reordered) == key().public, "the order of keys says nothing"


def test_without_a_key_there_is_no_signature() -> None:
    assert sealed(MANIFEST, None) == {**MANIFEST, "signature": None}
    assert signer_of(sealed(MANIFEST, None)) is None


@pytest.mark.parametrize(
    "change",
    [
        {"run_id": "s"},
        {"counts": {"é": 2, "z": [0.1, -0.0, 1e-9]}},
        {"more": 1},
        {"previous": {}},
    ],
)
def test_an_altered_manifest_does_not_pass(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="not the signature of this content"):
        signer_of({**sealed(MANIFEST, key()), **change})


@pytest.mark.parametrize(
    "change",
    [
        {"algorithm": "none"},
        {"value": ""},
        {"value": None},
        {"public_key": "AAAA"},
        {"value": base64.b64encode(bytes(64)).decode()},
        {"public_key": SigningKey.new().public},
    ],
)
def test_a_malformed_signature_does_not_pass(change: dict[str, Any]) -> None:
    signed = sealed(MANIFEST, key())
    with pytest.raises(ValueError, match=r"signature|base64"):
        signer_of({**signed, "signature": {**signed["signature"], **change}})
    with pytest.raises(ValueError, match="not a signature"):
        signer_of({**signed, "signature": "yes"})
