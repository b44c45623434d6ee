"""JSON from HubSpot that may not be as documented: read whole, and kept member by member."""
