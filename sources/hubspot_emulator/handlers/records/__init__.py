"""Endpoints of records: list, read, search and write, with filters and JSON."""
