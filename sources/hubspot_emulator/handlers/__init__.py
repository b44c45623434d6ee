"""One function per endpoint, without state: a call and the portal in, a reply out."""
