"""Secrets at rest: camera passwords of the cached configuration, URIs of upload sessions."""

import base64

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic import SecretStr

from recorder.errors import SecretUnreadable


class Vault:
    """Encrypts with a key that is derived from the recorder's token, so that a stolen disk alone tells nothing."""

    def __init__(self, key_material: SecretStr) -> None:
        derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"camfleet recorder secrets at rest").derive(
            key_material.get_secret_value().encode()
        )
        self._fernet = Fernet(base64.urlsafe_b64encode(derived))

    def lock(self, secret: bytes) -> bytes:
        """The secret, encrypted."""
        return self._fernet.encrypt(secret)

    def unlock(self, locked: bytes) -> bytes:
        """The secret; `SecretUnreadable` if it was damaged or locked with another key (a token was renewed)."""
        try:
            return self._fernet.decrypt(locked)
        except InvalidToken:
            raise SecretUnreadable("it is damaged, or was encrypted under an earlier token") from None
