"""HubSpot beyond the CRM's records: rows of data, and how each endpoint answers them."""
