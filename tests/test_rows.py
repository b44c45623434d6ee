"""What becomes of single rows over several runs: merges, deletions, values, labels.

What happens to one object type is a story; those of different types are played side by side.
"""

from functools import partial

import duckdb
from conftest import Warehouse
from stories import Played, Story, play_together
from test_holes import apart
from truth import differences

from pipelines.cli.output.report import RunReport
from sources.hubspot_emulator.portal.seed import SeedSpec
from sources.hubspot_emulator.portal.store import Portal

MINUTE_MS, HOUR_MS = 60_000, 3_600_000
SPEC = SeedSpec(
    contacts=12, companies=8, deals=9, tickets=6, line_items=6, products=5, notes=3, calls=3,
    emails=6, meetings=3, tasks=4, properties=12, custom_objects=0, handful=False, archived=0,
    merges=0, links=False,
)  # fmt: skip
TYPES = (
    *("contacts", "companies", "deals", "tickets", "line_items", "products"),
    *("notes", "calls", "emails", "meetings", "tasks"),
)


def chain_of_merges(portal: Portal, warehouse: Warehouse) -> Played:
    """H10: every id of a chain of merges leads to the last survivor, and its links do, too."""
    tables = ("contacts", "deals")
    (a, b, d, *rest), (f, g, i, *_) = (list(portal.records(table)) for table in tables)
    for contact, deal in ((a, f), (b, g), (d, i), (rest[1], g), (rest[2], i)):
        portal.associate("contacts", contact, "deals", deal)
    yield
    c = portal.merge("contacts", a, b)
    portal.merge("deals", f, g)
    yield
    e = portal.merge("contacts", c, d)
    portal.merge("deals", i, f)
    h = portal.merge("contacts", portal.merge("contacts", rest[0], rest[1]), rest[2])
    yield
    rows, kept = warehouse.table("contacts"), warehouse.table("deals")
    assert [rows[id_]["_hs_merged_into"] for id_ in (a, b, c, d)] == [e] * 4
    assert [rows[id_]["_hs_merged_into"] for id_ in rest[:3]] == [h] * 3
    assert [kept[id_]["_hs_merged_into"] for id_ in (f, g)] == [i] * 2
    assert apart(portal, warehouse, *tables) == []


def deals_in_a_deleted_stage(portal: Portal, warehouse: Warehouse) -> Played:
    """Stages that are gone, alone or with their pipeline, stay as archived rows, still won or not.

    So every deal finds the label that its stage had.
    """
    yield
    yield
    won, lost, renewed = [*portal.records("deals")][-3:]
    portal.update("deals", won, {"dealstage": "closedwon", "pipeline": "default"})
    portal.update("deals", lost, {"dealstage": "closedlost", "pipeline": "default"})
    portal.update("deals", renewed, {"dealstage": "renewal_closedwon", "pipeline": "renewals"})
    portal.delete_stage("deals", "default", "closedwon")
    portal.delete_pipeline("deals", "renewals")
    yield  # definitions are read again
    labels = """
        SELECT d.id, s.label, s.is_won, s._hs_archived FROM deals AS d
        LEFT JOIN pipeline_stages AS s ON s.object_type = 'deals'
            AND s.pipeline_id = d.pipeline AND s.id = d.dealstage
    """
    found = {id_: rest for id_, *rest in warehouse.rows(labels)}
    assert [found[one] for one in (won, lost, renewed)] == [
        ["Closed won", True, True],
        ["Closed lost", False, False],
        ["Closed won", True, True],
    ]
    live = "SELECT id FROM pipeline_stages WHERE NOT _hs_archived AND is_won"
    assert warehouse.rows(live) == []


def deletions(portal: Portal, warehouse: Warehouse) -> Played:
    """H9, H10: what is gone is found with its kind, also where as many records came meanwhile."""
    items, firms = (list(portal.records(table)) for table in ("line_items", "companies"))
    portal.archive("line_items", items[0])
    portal.archive("companies", firms[0])
    yield
    portal.restore("line_items", items[0])
    portal.archive("line_items", items[1])
    portal.purge("companies", firms[0])  # out of the recycle bin
    portal.purge("companies", firms[1])
    portal.gdpr_delete("companies", firms[2])
    for name in ("New", "Newer"):
        portal.create("companies", {"name": name})
    yield
    yield
    assert apart(portal, warehouse, "line_items", "companies") == []


def merge_keeps_its_date(portal: Portal, warehouse: Warehouse) -> Played:
    """When a record was merged away does not change with what happens to its survivor."""
    yield
    one, other = list(portal.records("tickets"))[:2]
    survivor = portal.merge("tickets", one, other)
    (gone,) = {one, other} - {survivor}
    yield
    merged_at = warehouse.table("tickets")[gone]["_hs_deleted_at"]
    assert merged_at
    portal.update("tickets", survivor, {"subject": "Later"})
    report = yield
    assert report.tables["tickets"].tombstones == 0
    assert warehouse.table("tickets")[gone]["_hs_deleted_at"] == merged_at
    assert apart(portal, warehouse, "tickets") == []


def calculated_property(portal: Portal, warehouse: Warehouse) -> Played:
    """A calculated value, which changes without its record, is right a day later."""
    total = {"name": "total", "type": "number", "calculated": True}
    portal.create_property("products", total)
    one, other, *_ = portal.records("products")
    portal.set_calculated("products", one, {"total": "5"})
    yield
    yield
    yield
    portal.set_calculated("products", one, {"total": ""})
    portal.set_calculated("products", other, {"total": "7"})
    yield  # a day later
    yield
    assert apart(portal, warehouse, "products") == []


def first_record_of_the_bin(portal: Portal, warehouse: Warehouse) -> Played:
    """A record created and archived between two runs has its tombstone, though no number tells."""
    yield
    assert list(portal.records("notes", archived=True)) == []
    portal.archive("notes", portal.create("notes", {}))
    yield
    yield
    assert differences(portal, warehouse, {"notes": "notes"}) == []


def value_that_is_mended(portal: Portal, warehouse: Warehouse) -> Played:
    """A value that fits after an edit is no longer among the rejected ones."""
    portal.create_property("calls", {"name": "score", "type": "number", "fieldType": "number"})
    one = portal.create("calls", {"score": "a lot"})
    other = portal.create("calls", {"score": "little"})
    yield
    portal.update("calls", one, {"score": "5"})
    yield
    rejected = "SELECT id FROM _hs_rejected_values WHERE table_name = 'calls'"
    assert warehouse.rows(rejected) == [(other,)]


def row_of_a_killed_load(portal: Portal, warehouse: Warehouse) -> Played:
    """A row that arrived without what belongs to it is not taken for loaded as it is."""
    yield
    one = next(iter(portal.records("emails")))
    yield  # ten minutes later
    at_ms = portal.clock.now_ms()
    portal.update("emails", one, {"hs_email_subject": "Late"}, at=at_ms - 5 * MINUTE_MS)
    updated = portal.records("emails")[one]["updatedAt"]
    with duckdb.connect(str(warehouse.path)) as connection:
        connection.execute(
            "UPDATE hubspot.emails SET hs_email_subject = 'Late', _hs_updated_at = ?::TIMESTAMPTZ,"
            " _hs_synced_at = to_timestamp(?) WHERE id = ?",
            [updated, (at_ms + MINUTE_MS) / 1000, one],
        )
    report = yield  # a minute later
    assert report.tables["emails"].rows == 1


def schema_changes(portal: Portal, warehouse: Warehouse) -> Played:
    """The report says what became of properties since they were last read."""
    for name in ("size", "gone", "named"):
        portal.create_property("meetings", {"name": name, "type": "string", "fieldType": "text"})
    made = portal.create("meetings", {"size": "12"})
    yield
    yield
    portal.create_property("meetings", {"name": "fresh", "type": "string", "fieldType": "text"})
    portal.update_property("meetings", "size", {"type": "number", "fieldType": "number"})
    portal.archive_property("meetings", "gone")
    portal.update_property("meetings", "named", {"label": "Renamed"})
    report = yield  # definitions are read again
    section = next(one for one in report.sections if one.name == "schema_changes")
    found = {(row[1], row[2], row[3]) for row in section.rows if row[0] == "meetings"}
    assert found == {
        ("fresh", "added", "fresh"),
        ("size", "type", "size_number"),
        ("gone", "archived", "gone"),
        ("named", "label", "named"),
    }
    assert warehouse.table("meetings")[made]["size_number"] == 12.0
    labels = warehouse.rows("SELECT label FROM _hs_columns WHERE property = 'named'")
    assert labels == [("Renamed",)]


def row_that_is_there_twice(portal: Portal, warehouse: Warehouse) -> Played:
    """A second row of a record, whoever wrote it, goes with the next run."""
    yield
    with duckdb.connect(str(warehouse.path)) as connection:
        rows = "FROM hubspot.tasks WHERE _hs_deletion IS NULL LIMIT 2"
        connection.execute(f"INSERT INTO hubspot.tasks {rows}")
    yield
    assert warehouse.rows("SELECT id FROM tasks GROUP BY id HAVING count(*) > 1") == []
    assert differences(portal, warehouse, {"tasks": "tasks"}) == []


STORIES: tuple[Story, ...] = (
    chain_of_merges,
    deals_in_a_deleted_stage,
    deletions,
    merge_keeps_its_date,
    calculated_property,
    first_record_of_the_bin,
    value_that_is_mended,
    row_of_a_killed_load,
    schema_changes,
    row_that_is_there_twice,
)


def test_what_becomes_of_rows(portal: Portal, warehouse: Warehouse) -> None:
    """Whatever happens to a row, and however little tells of it, a run or two make it right."""
    portal.reset(SPEC)

    def run(wait_ms: int, *, refresh_schema: bool = False) -> RunReport:
        portal.clock.advance(wait_ms)
        report = warehouse.sync(*TYPES, refresh_schema=refresh_schema)
        assert report.exit_code == 0, report.error
        return report

    runs = [
        partial(run, 0),
        partial(run, 10 * MINUTE_MS),
        partial(run, MINUTE_MS, refresh_schema=True),
        partial(run, 25 * HOUR_MS),
        partial(run, 0),
    ]
    play_together(portal, warehouse, STORIES, runs)
