"""What the portal publishes: pages, blogs, HubDB and files."""

from . import cms, files, hubdb, revisions

ENDPOINTS = (*cms.ENDPOINTS, *files.ENDPOINTS, *hubdb.ENDPOINTS, *revisions.ENDPOINTS)
