"""The access token: put on every call, never shown."""

from requests import PreparedRequest
from requests.auth import AuthBase

from ...config import checked_token

MASK = "***"


class BearerAuth(AuthBase):
    """Puts the token of a private app, a service key or OAuth on a request."""

    def __init__(self, token: str | None) -> None:
        """Keep a token that passed `checked_token`.

        Raises:
            ConfigError: the token is missing or cannot be one.
        """
        self._token = checked_token(token)

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Add the header; requests calls this for every call."""
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request

    def __repr__(self) -> str:
        return f"BearerAuth({MASK})"

    def redacted(self, text: str) -> str:
        """Return the text with the token blotted out."""
        return redact(text, self._token)


def redact(text: str, token: str | None) -> str:
    """Return the text with every occurrence of the token blotted out."""
    return text.replace(token, MASK) if token else text
