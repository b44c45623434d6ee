"""What a sync would cost: rows and calls of object tables and of links."""
