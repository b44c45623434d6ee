"""What is sold and said: betas of price books, payment links, scores, and transcripts of calls."""

from . import betas, calls

ENDPOINTS = (*betas.ENDPOINTS, *calls.ENDPOINTS)
