"""Credentials of places, from the environment alone: they never stand in a file of the workspace or in a sentence."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields

_PREFIX = "METERWRIGHT_SOURCE_"


@dataclass(frozen=True, repr=False)
class Credentials:
    """What the environment holds for one source, ``METERWRIGHT_SOURCE_<NAME>_<FIELD>``; empty where it holds nothing.

    ``user`` and ``password`` are for ftp, sftp and the basic authentication of http; ``token`` for a bearer's token of
    http or a session token of s3; ``key`` and ``secret`` for s3; ``key_file`` and ``password`` for a private key of
    sftp; ``endpoint`` for an s3 service other than Amazon's.
    """

    user: str = ""
    password: str = ""
    token: str = ""
    key: str = ""
    secret: str = ""
    key_file: str = ""
    endpoint: str = ""

    @staticmethod
    def of(source: str, environment: Mapping[str, str] = os.environ) -> Credentials:
        """The credentials of a source; what is no letter or digit in its name is ``_`` in the variables'."""
        return Credentials(
            **{spec.name: environment.get(variable(source, spec.name), "") for spec in fields(Credentials)}
        )

    def redact(self, sentence: str) -> str:
        """The sentence with every secret that occurs in it taken out."""
        for secret in sorted({self.password, self.token, self.secret, self.key}, key=len, reverse=True):
            if secret:
                sentence = sentence.replace(secret, "***")
        return sentence

    def __repr__(self) -> str:
        return "Credentials(***)"


def variable(source: str, field: str) -> str:
    """The variable of the environment that holds a credential of a source."""
    return f"{_PREFIX}{re.sub('[^A-Za-z0-9]', '_', source).upper()}_{field.upper()}"
