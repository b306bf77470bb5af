"""Secrets at rest: encrypted with Fernet, several keys live during a rotation."""

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


class SecretUnreadableError(Exception):
    """A stored secret can't be decrypted: the key it was encrypted with is missing from SECRET_KEYS."""


class SecretBox:
    """Encrypts and decrypts short texts: camera passwords, stream URLs, upload sessions."""

    def __init__(self, keys: str) -> None:
        """Take comma-separated Fernet keys; the first encrypts, all decrypt. Raise ValueError on a malformed one."""
        names = [key.strip() for key in keys.split(",") if key.strip()]
        if not names:
            raise ValueError("SECRET_KEYS is empty: make one with `control-plane create-secret-key`")
        try:
            self._fernet = MultiFernet([Fernet(name) for name in names])
        except ValueError:
            # The text of the cause shows nothing of the key, but says nothing that helps either.
            raise ValueError(
                "SECRET_KEYS holds a malformed key: each is 32 bytes in URL-safe base64, "
                "as `control-plane create-secret-key` prints it"
            ) from None
        self._newest = names[0]

    def encrypt(self, text: str) -> bytes:
        """Encrypt `text`."""
        return self._fernet.encrypt(text.encode())

    def decrypt(self, sealed: bytes) -> str:
        """Decrypt what `encrypt` made. Raise SecretUnreadableError if no key fits."""
        try:
            return self._fernet.decrypt(sealed).decode()
        except InvalidToken:
            raise SecretUnreadableError(
                "a stored secret can't be read with the keys in SECRET_KEYS: add the key it was saved with"
            ) from None

    def derive(self, purpose: str) -> str:
        """Derive a key of its own for `purpose`, in hexadecimal: changing the newest secret key changes it."""
        kdf = HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=f"camfleet {purpose}".encode())
        return kdf.derive(self._newest.encode()).hex()
