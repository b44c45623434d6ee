"""What people and workflows do: conversations, automation, sales."""

from . import automation, conversations, sales

ENDPOINTS = (*conversations.ENDPOINTS, *automation.ENDPOINTS, *sales.ENDPOINTS)
