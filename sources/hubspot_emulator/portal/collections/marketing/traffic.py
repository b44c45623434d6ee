"""Sessions and page views per day, source or country: the legacy analytics reports."""

import re
from datetime import date, timedelta

from ....clock import DAY_MS, iso
from ..asking import Ask, not_found
from ..endpoint import Endpoint
from ..kind import Kind, Row
from ..refusal import refuse
from ..seeding import Seeds

BREAKDOWNS = {"totals": ("",), "sessions": ("",), "sources": ("organic", "direct", "email"),
              "geolocation": ("de", "us"), "utm-campaigns": ("campaign-0",),
              "pages": ("501", "502"), "landing-pages": ("701",),
              "forms": ("form",)}  # fmt: skip
PERIODS = ("total", "daily", "weekly", "monthly")
DAYS, MOST = 10, 10_000
_DATE = re.compile(r"\d{8}")


def _day(seeds: Seeds, number: int) -> Row:
    places = [(by, one) for by, names in BREAKDOWNS.items() for one in names]
    by, name = places[number % len(places)]
    at = seeds.midnight_ms - (1 + number // len(places)) * DAY_MS
    own = {"breakdown": name} if name else {}
    return {"_by": by, "_date": iso(at)[:10], **own, "visits": 20 + number, "visitors": 10 + number,
            "rawViews": 40 + number, "pageviewsMinusExits": 30, "bounceRate": 0.25}  # fmt: skip


def _range(ask: Ask) -> tuple[str, str]:
    for name in ("start", "end"):
        if not _DATE.fullmatch(ask.one(name)):
            raise refuse(f"{name} must be a date such as 20261130, got {ask.one(name)!r}")
    start, end = (f"{t[:4]}-{t[4:6]}-{t[6:]}" for t in (ask.one("start"), ask.one("end")))
    if start > end:
        raise refuse("start must not come after end")
    return start, end


def _bucket(day: str, period: str) -> str:
    at = date.fromisoformat(day)
    if period == "weekly":
        at -= timedelta(days=at.weekday())
    return str(at.replace(day=1) if period == "monthly" else at)


def _report(ask: Ask) -> Row:
    by, period = ask.params["breakdown"], ask.params["period"]
    if by not in BREAKDOWNS or period not in PERIODS:
        raise not_found(f"There is no report {by}/{period}")
    start, end = _range(ask)
    rows = [
        row
        for row in ask.collections["traffic_daily"].seen()
        if row["_by"] == by and start <= row["_date"] <= end
    ]
    if period == "total":
        return _totals(ask, rows)
    found: dict[str, list[Row]] = {}
    for row in sorted(rows, key=lambda row: row["_date"]):
        shown = {name: value for name, value in row.items() if name[0] != "_"}
        found.setdefault(_bucket(row["_date"], period), []).append(shown)
    return {day: list(_added(parts).values()) for day, parts in found.items()}


def _added(rows: list[Row]) -> dict[str, Row]:
    """Return the sums of whole numbers by breakdown."""
    sums: dict[str, Row] = {}
    for row in rows:
        total = sums.setdefault(str(row.get("breakdown", "")), {})
        for name, value in row.items():
            known = total.get(name, 0)
            total[name] = known + value if isinstance(value, int) else value
    return sums


def _totals(ask: Ask, rows: list[Row]) -> Row:
    shown = [{name: value for name, value in row.items() if name[0] != "_"} for row in rows]
    found = list(_added(shown).values())
    limit, offset = (
        int(ask.one(name, usual)) for name, usual in (("limit", "100"), ("offset", "0"))
    )
    page = found[offset : offset + min(limit, MOST)]
    whole = {n: sum(row[n] for row in found) for n in ("visits", "visitors", "rawViews")}
    return {"offset": offset + len(page), "total": len(found), "totals": whole, "breakdowns": page}


KINDS = (Kind("traffic_daily", _day, DAYS * 12, key="_date _by breakdown"),)
ENDPOINTS = (
    Endpoint(collection="traffic_daily", name="report", scopes="business-intelligence",
             paths="/analytics/v2/reports/{breakdown}/{period}", answer=_report,
             product="marketing_professional", query="start! end! limit offset f d1 d2"),
)  # fmt: skip
