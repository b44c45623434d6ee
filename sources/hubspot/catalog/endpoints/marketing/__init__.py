"""What belongs to marketing: forms, e-mails, subscriptions, campaigns, events."""

from . import campaigns, email, events, forms, subscriptions

ENDPOINTS = (
    *forms.ENDPOINTS,
    *email.ENDPOINTS,
    *subscriptions.ENDPOINTS,
    *campaigns.ENDPOINTS,
    *events.ENDPOINTS,
)
