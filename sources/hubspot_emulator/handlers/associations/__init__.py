"""Endpoints of associations: reading links and labels, and writing them."""
