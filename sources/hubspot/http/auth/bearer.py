"""The access token: checked before anything is sent, put on every call, never shown."""

from requests import PreparedRequest
from requests.auth import AuthBase

from ...errors import ConfigError

WHERE = "SOURCES__HUBSPOT__ACCESS_TOKEN, or [sources.hubspot] access_token in .dlt/secrets.toml"
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


def checked_token(token: str | None) -> str:
    """Return the token without the white space and quotes that copying leaves around it.

    Raises:
        ConfigError: nothing is left, or a character is in it that no token has.
    """
    text = (token or "").strip().strip("\"'").strip()
    if not text:
        raise ConfigError("There is no HubSpot access token.", remedy=f"Set {WHERE}.")
    if any(not "!" <= character <= "~" for character in text):
        raise ConfigError(
            "The HubSpot access token holds a space, a line break or a character outside ASCII,"
            " which no token has.",
            remedy=f"Copy the whole token, and nothing else, into {WHERE}.",
        )
    return text


def redact(text: str, token: str | None) -> str:
    """Return the text with every occurrence of the token blotted out."""
    return text.replace(token, MASK) if token else text
