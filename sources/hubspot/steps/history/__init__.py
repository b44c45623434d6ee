"""Property history: every value that the properties of records had."""
