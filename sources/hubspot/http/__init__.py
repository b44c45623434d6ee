"""The one way to HubSpot: every call is sent, limited, retried and explained here."""
