"""GraphQL over the portal's records."""
