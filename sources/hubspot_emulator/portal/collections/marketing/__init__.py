"""Marketing: forms, e-mails and their events, subscriptions, campaigns, marketing events."""
