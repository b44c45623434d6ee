"""Portal against warehouse: what is missing, extra, stale or wrong."""
