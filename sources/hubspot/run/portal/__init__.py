"""What a portal has and the token may read of it: object types, refusals, table schemas."""
