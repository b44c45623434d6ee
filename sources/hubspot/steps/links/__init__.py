"""Links of records: read from the cheaper end, compared, handed on."""
