"""Google's token service for one service account."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

ACCESS_TOKEN = "ya29.only-for-tests"
SERVICE_ACCOUNT = "recorder@camfleet-tests.iam.gserviceaccount.com"


@dataclass(kw_only=True)
class TokenServer:
    """The account's key, and every violation of a protocol."""

    violations: list[str] = field(default_factory=list)
    root: str = ""
    key: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))

    def credentials(self, folder: Path) -> Path:
        """A service account's key file that asks this server for tokens."""
        pem = self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()
        path = folder / "service-account.json"
        held = {
            "type": "service_account",
            "project_id": "camfleet-tests",
            "private_key_id": "1",
            "private_key": pem,
            "client_email": SERVICE_ACCOUNT,
            "token_uri": f"{self.root}/token",
        }
        path.write_text(json.dumps(held))
        return path

    async def token(self, request: Request) -> Response:
        form = dict(pair.split("=", 1) for pair in (await request.body()).decode().split("&"))
        try:
            claims = jwt.decode(form["assertion"], self.key.public_key(), ["RS256"], audience=f"{self.root}/token")
        except jwt.PyJWTError:
            return JSONResponse({"error": "invalid_grant"}, 400)
        if "devstorage" not in claims["scope"]:
            self.violations.append("a token without the storage scope")
        return JSONResponse({"access_token": ACCESS_TOKEN, "expires_in": 3600, "token_type": "Bearer"})
