"""What belongs to the account: its settings, limits, definitions, security logs and imports."""

from . import definitions, imports, security, settings, usage

ENDPOINTS = (
    *settings.ENDPOINTS,
    *definitions.ENDPOINTS,
    *usage.ENDPOINTS,
    *security.ENDPOINTS,
    *imports.ENDPOINTS,
)
