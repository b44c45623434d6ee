"""Where the tables land."""
