"""What dlt does to databases on servers, where it does not suit HubSpot's data."""
