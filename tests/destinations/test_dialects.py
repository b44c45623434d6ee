"""The check that each test of destinations ends with: its statements in other dialects."""

from dialects import DIALECTS, foreign

from sources.hubspot.warehouse.sql.literals import Rendered


def test_what_a_dialect_refuses_is_found() -> None:
    """Changes of all rows, and what no parser reads, are found; what is portable is not."""
    fit = {"DELETE FROM contacts WHERE id IN (?)": ([["1", "2"]], ""), "SELECT 1": ([], "")}
    assert foreign(fit) == []
    found = foreign({"DELETE FROM contacts": ([], "")})
    assert [one.partition(":")[0] for one in found] == ["bigquery", "clickhouse"]
    unread = foreign({"SELECT id FROM contacts WHERE id = ?": ([Rendered("('")], "")})
    assert len(unread) == len(DIALECTS)
