"""Everything the connector can read from, and the portal that stands in for HubSpot."""
