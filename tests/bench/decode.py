"""How many records per CPU second become Arrow: decoding, casting, rejects; one JSON line.

Run it with `python tests/bench/decode.py`; it takes about ten seconds and calls nobody.
"""

import json
import random
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from sources.hubspot.model import Column, Kind, TableSchema
from sources.hubspot.tables.decoding import RecordDecoder
from sources.hubspot.tables.records import to_batch

KINDS: tuple[Kind, ...] = ("text",) * 13 + ("double",) * 3 + ("timestamp",) * 2 + ("date", "bool")
FILLED = 0.35
PAGES, PAGE = 10, 100  # what becomes one Arrow table
WIDTHS = {20: 40, 150: 10, 400: 4}  # properties -> rounds
SYNCED_AT = datetime(2024, 9, 11, tzinfo=UTC)


def value(kind: Kind, rng: random.Random) -> str:
    """Make a value as HubSpot writes it."""
    day = f"20{rng.randrange(10, 25)}-{rng.randrange(1, 13):02}-{rng.randrange(1, 29):02}"
    match kind:
        case "double":
            return rng.choice((str(rng.randrange(10**6)), f"{rng.random() * 1000:.2f}"))
        case "bool":
            return rng.choice(("true", "false"))
        case "date":
            return day
        case "timestamp":
            return f"{day}T13:27:39.{rng.randrange(1000):03}Z"
        case _:
            return rng.choice(("customer", "Ada Lovelace", "a;b;c", "ada@example.com", "Zürich\n"))


def page(schema: TableSchema, rng: random.Random, *, misfits: float = 0.0) -> bytes:
    """Make one answer of a listing; a share of the values are `N/A`."""
    results = []
    for _ in range(PAGE):
        id_, at = str(rng.randrange(10**11)), "2024-09-11T13:27:39.356Z"
        properties = {
            column.property: None
            if rng.random() > FILLED
            else "N/A"
            if rng.random() < misfits
            else value(column.kind, rng)
            for column in schema.columns
        }
        record = {"id": id_, "properties": properties, "createdAt": at, "updatedAt": at}
        results.append(record | {"archived": False, "url": f"https://app.example.com/{id_}"})
    return json.dumps({"results": results, "paging": {"next": {"after": "1"}}}).encode()


def rate(width: int, rounds: int, *, misfits: float = 0.0) -> int:
    """Measure records per CPU second; the best of the rounds, to leave the neighbours out."""
    rng = random.Random(width)
    kinds = [KINDS[index % len(KINDS)] for index in range(width)]
    columns = [Column(f"property_{i}", f"property_{i}", kind, "") for i, kind in enumerate(kinds)]
    schema = TableSchema("contacts", tuple(columns))
    bodies = [page(schema, rng, misfits=misfits) for _ in range(PAGES)]
    decoder = RecordDecoder(schema)
    seconds = []
    for _ in range(rounds):
        begun = time.process_time()
        records = [record for body in bodies for record in decoder.page(body).results]
        to_batch(records, schema, synced_at=SYNCED_AT)
        seconds.append(time.process_time() - begun)
    return int(PAGES * PAGE / min(seconds))


def main() -> None:
    """Print the figures."""
    figures = {f"properties_{width}": rate(width, rounds) for width, rounds in WIDTHS.items()}
    figures["properties_150_misfits_1_percent"] = rate(150, WIDTHS[150], misfits=0.01)
    print(json.dumps({"unit": "records per CPU second", "batch": PAGES * PAGE} | figures))


if __name__ == "__main__":
    main()
