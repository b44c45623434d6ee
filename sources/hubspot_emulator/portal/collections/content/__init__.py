"""Content: pages, posts, blogs, HubDB, domains, redirects, files."""
