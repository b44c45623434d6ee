"""The records of one object type: seeded by formula, changed as versions, indexed for search."""
