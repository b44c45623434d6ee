"""Endpoints of exports, and the files that they make."""
