"""What a run does to a table, step by step."""
