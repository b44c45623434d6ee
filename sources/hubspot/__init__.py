"""HubSpot as a dlt source."""
