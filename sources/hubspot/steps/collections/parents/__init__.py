"""Collections that HubSpot has for each row of another table."""
