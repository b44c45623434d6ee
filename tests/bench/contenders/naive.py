"""HubSpot's contacts with dlt, as most people would write it: a loop, dicts, merge by id."""

import os

import dlt
import requests

URL, TOKEN = os.environ["HUBSPOT_URL"], os.environ["HUBSPOT_TOKEN"]


@dlt.resource(write_disposition="merge", primary_key="id")
def contacts():
    """Yield all contacts with all properties."""
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {TOKEN}"
    properties = session.get(f"{URL}/crm/v3/properties/contacts").json()["results"]
    query = {"limit": 100, "properties": ",".join(one["name"] for one in properties)}
    while True:
        page = session.get(f"{URL}/crm/v3/objects/contacts", params=query).json()
        yield page["results"]
        if "paging" not in page:
            return
        query["after"] = page["paging"]["next"]["after"]


destination = dlt.destinations.duckdb(os.environ["DUCKDB_FILE"])
pipeline = dlt.pipeline("naive", destination=destination, dataset_name="hubspot")
pipeline.run(contacts)
