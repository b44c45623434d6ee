"""Secrets that no message, log or table may show."""

import dlt
from dlt.common.configuration.exceptions import ConfigurationException

from destinations.failures import redacted
from sources.hubspot.errors import ConfigError
from sources.hubspot.http.auth.bearer import redact

_SHORTEST_SECRET = 6  # masking less would mask words


def access_token() -> str:
    """Return the access token as it is set, empty where none is.

    Raises:
        ConfigError: a settings file cannot be read.
    """
    try:
        return str(dlt.secrets.get("sources.hubspot.access_token") or "").strip()
    except ConfigurationException as error:
        message = f"The settings cannot be read: {' '.join(str(error).split())}."
        raise ConfigError(message, remedy="Correct the file.") from error


def masked(text: str, token: str) -> str:
    """Return the text without the token, whatever it looks like, and without passwords."""
    return redact(redacted(text), token if len(token) >= _SHORTEST_SECRET else None)
