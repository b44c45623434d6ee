"""Pages along the record id, several ranges of ids at once."""
