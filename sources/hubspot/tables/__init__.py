"""Bytes to Arrow: property definitions, columns, values, reference tables."""
