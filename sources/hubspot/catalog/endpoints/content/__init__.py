"""What the portal publishes: pages, blogs, HubDB and files."""

from . import cms, files, hubdb

ENDPOINTS = (*cms.ENDPOINTS, *files.ENDPOINTS, *hubdb.ENDPOINTS)
