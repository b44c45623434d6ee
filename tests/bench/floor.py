"""What the parts of a backfill cost alone, in CPU seconds per 100,000 contacts; one JSON line.

    python tests/bench/floor.py --contacts 20000 --properties 150

The floor is what no connector into DuckDB can do without: the JSON decoded (by msgspec, into
structs that are thrown away) and the columns inserted and stored by DuckDB on one thread. Beside
it what a plain `requests` loop takes to fetch the pages. Divide a backfill's cost by it.
"""

import json
import resource
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import duckdb
import msgspec
import requests
from harness import EmulatedPortal, asked, import_cpu_seconds, report, rows_of, sync, workplace

PER = 100_000


def main() -> None:
    """Run the benchmark."""
    options = asked(__doc__, contacts=20_000, properties=150)
    with workplace(contacts=options.contacts, properties=options.properties) as (portal, folder):
        imports = import_cpu_seconds(folder)
        usage = sync(portal, folder, "--objects", "contacts")
        rows = rows_of(usage)
        bodies, fetch = fetched(portal)
        parts = {"fetch": fetch, "decode": decoding(bodies), "duckdb": storing(folder)}
        scale = PER / rows
        ours = (usage.cpu_seconds - imports) * scale
        floor = (parts["decode"] + parts["duckdb"]) * scale
        report(
            "floor",
            properties=options.properties,
            contacts=rows,
            **{f"{part}_seconds": round(seconds * scale, 2) for part, seconds in parts.items()},
            floor_seconds=round(floor, 2),
            ours_seconds=round(ours, 2),
            ours_by_floor=round(ours / floor, 2),
        )


def cpu() -> float:
    """Return the CPU seconds of this process, all threads."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def fetched(portal: EmulatedPortal) -> tuple[list[bytes], float]:
    """Fetch all pages with all properties, one after the other."""
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {portal.token}"
    path = "/crm/properties/2026-03/contacts"
    named = session.get(f"{portal.url}{path}").json()["results"]
    names = ",".join(one["name"] for one in named)
    bodies: list[bytes] = []
    after, began = "", cpu()
    while after is not None:
        answer = session.get(
            f"{portal.url}/crm/objects/2026-03/contacts"
            f"?limit=100&properties={names}" + (f"&after={after}" if after else "")
        )
        bodies.append(answer.content)
        found = answer.content[-400:].rpartition(b'"after":"')[2]
        after = found.partition(b'"')[0].decode() if b'"next"' in answer.content[-400:] else None
    return bodies, cpu() - began


def decoding(bodies: list[bytes]) -> float:
    """Decode all pages into structs."""
    names = list(json.loads(bodies[0])["results"][0]["properties"])
    fields = {f"p{index}": name for index, name in enumerate(names)}
    properties = msgspec.defstruct(
        "Properties", [(field, str | None, None) for field in fields], rename=fields, gc=False
    )
    record = msgspec.defstruct("Record", [("id", str), ("properties", properties)], gc=False)
    page = msgspec.defstruct("Page", [("results", list[record])])  # type: ignore[valid-type]
    decode = msgspec.json.Decoder(page).decode
    began = cpu()
    for body in bodies:
        decode(body)
    return cpu() - began


def storing(folder: Path) -> float:
    """Insert the table that was synced, as Arrow data in memory, into another DuckDB file."""
    with duckdb.connect(str(folder / "hubspot.duckdb"), read_only=True) as connection:
        rows = connection.execute("SELECT * FROM hubspot.hubspot.contacts").arrow().read_all()
    with duckdb.connect(str(folder / "floor.duckdb")) as connection:
        connection.execute("SET threads = 1")
        began = cpu()
        connection.execute("CREATE TABLE contacts AS SELECT * FROM rows")
    return cpu() - began if rows.num_rows else 0.0


if __name__ == "__main__":
    main()
