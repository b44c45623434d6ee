"""What HubSpot reports no change of, read again and compared."""
