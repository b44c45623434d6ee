"""HubSpot's object types and pairs as data, and their names."""
