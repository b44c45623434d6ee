"""Endpoints of the catalog in a plan: when each is read, and what that takes; pure."""
