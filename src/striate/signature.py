"""A signature under a folder's seal: who wrote it, where the seal alone says that nothing has changed since.

SHA256SUMS.sig holds the Ed25519 signature (RFC 8032) of the bytes of SHA256SUMS, in base64. Keys are PEM files, as
`openssl genpkey -algorithm ed25519` makes them. Needs the extra `sign`.
"""

from __future__ import annotations

import base64
import binascii
import importlib.util
import os
from pathlib import Path
from typing import Any

from striate.errors import ConfigError, RunError
from striate.system.atomic_files import write_text
from striate.system.checksums import NAME as SEAL
from striate.system.checksums import damages, is_sealed

NAME = f"{SEAL}.sig"
EXTRA = "pip install 'striate[sign]'"
LIMIT = 64 << 10  # bytes of a key or a signature


def sign(folder: Path, key: Path) -> Path:
    """Returns the file of the signature that it writes under the seal of a run or a classifier.

    Args:
        folder: sealed, and as it was sealed.
        key: a private Ed25519 key, PEM, without a password.

    Raises:
        RunError: there is no seal, or a file has changed since.
        ConfigError: not such a key, or the extra is not installed.
    """
    require_cryptography()
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    private = _loaded(key, lambda text: load_pem_private_key(text, None), Ed25519PrivateKey, "a private Ed25519 key")
    if wrong := damages(folder):
        raise RunError(
            "What has changed since it was sealed is not signed",
            received=", ".join(f"{one.name} ({one.state})" for one in wrong),
        )
    found = private.sign((folder / SEAL).read_bytes())
    write_text(folder / NAME, base64.b64encode(found).decode() + "\n")
    return folder / NAME


def verify(folder: Path, key: Path) -> None:
    """Checks that the owner of a public key has signed the folder's seal; whether its files are as sealed is for
    `seal.damages` to say.

    Args:
        folder: a run's or a classifier's.
        key: the public Ed25519 key, PEM.

    Raises:
        RunError: there is no seal, no signature, or it is not one of that key under this seal.
        ConfigError: not such a key, or the extra is not installed.
    """
    require_cryptography()
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    public = _loaded(key, load_pem_public_key, Ed25519PublicKey, "a public Ed25519 key")
    path = folder / NAME
    if not is_sealed(folder) or not path.is_file():
        raise RunError("This folder is not signed", received=folder, expected=f"{SEAL} and {NAME} in it")
    try:
        signature = base64.b64decode(path.read_bytes()[:LIMIT].strip(), validate=True)
        public.verify(signature, (folder / SEAL).read_bytes())
    except (InvalidSignature, binascii.Error, OSError):
        raise RunError("The signature is not one of this key under this folder's seal", received=path) from None


def new_key(path: Path) -> Path:
    """Returns the file of the public key beside a new private key, `path`, that its owner alone can read.

    Raises:
        ConfigError: there is a file of that name already, or the extra is not installed.
    """
    require_cryptography()
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    private = Ed25519PrivateKey.generate()
    text = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = path.with_suffix(".pub.pem")
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(text)
    except FileExistsError:
        raise ConfigError("There is a file of that name already", received=path, hint="another name") from None
    write_text(
        public,
        private.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode(),
    )
    return public


def require_cryptography() -> None:
    """Raises a ConfigError that says how to install what signing needs, unless it is there."""
    if importlib.util.find_spec("cryptography") is None:
        raise ConfigError("Signing needs a package more", received="no package cryptography", hint=EXTRA)


def _loaded(path: Path, load: Any, kind: type, expected: str) -> Any:
    try:
        with path.open("rb") as file:
            key = load(file.read(LIMIT))
    except OSError as error:
        raise ConfigError(f"The key cannot be read: {error.strerror}", received=path) from None
    except (ValueError, TypeError) as error:  # the library's words for what is no key, or has a password
        raise ConfigError(f"This is no key that can be used: {error}", received=path, expected=expected) from None
    if not isinstance(key, kind):
        raise ConfigError("This is another kind of key", received=path, expected=expected)
    return key
