"""Rows of the endpoints of the catalog: the objects of answers as Arrow."""
