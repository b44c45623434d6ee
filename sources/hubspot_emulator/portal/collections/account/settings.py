"""Users, roles, teams, currencies, tax rates, meeting links and business units of the account."""

from typing import Any

from ..asking import Ask
from ..endpoint import Endpoint, after, batch_of, one_of
from ..kind import Kind, Row
from ..seeding import Seeds

USERS = "/settings/(v3/users|users/v3|users/2026-03|users/2026-09-beta)"
TEAMS_BETA = "/settings/teams/2026-09-beta"
CURRENCIES = "/settings/(v3/currencies|currencies/~)"
MEETINGS = "/scheduler/(v3|~)/meetings/meeting-links"
ROLES = ("Sales rep", "Marketer", "Support agent", "Super admin")
RATES = (("USD", 0.91), ("GBP", 1.17), ("JPY", 0.0061))
UNITS = ("Northwind", "Southridge")


def _user(seeds: Seeds, number: int) -> Row:
    owner = seeds.owner(number)
    made: Row = {
        "id": str(owner["userId"] + number // 12 * 1_000_003),
        "email": owner["email"],
        "firstName": owner["firstName"],
        "lastName": owner["lastName"],
        "superAdmin": number == 0,
        "roleIds": [],
        "secondaryTeamIds": [],
        "seatNames": ["CORE"],
    }
    if number % 5 != 4:  # noqa: PLR2004 - one user in five has neither role nor team
        role = str(31 + number % len(ROLES))
        made |= {"roleId": role, "roleIds": [role], "primaryTeamId": str(368_389 + number % 3)}
    if number % 3 == 0:
        made["secondaryTeamIds"] = [str(368_389 + (number + 1) % 3)]
    return made


def _role(_: Seeds, number: int) -> Row:
    name = ROLES[number % len(ROLES)]
    return {"id": str(31 + number), "name": name, "requiresBillingWrite": name == "Super admin"}


def _team(seeds: Seeds, number: int) -> Row:
    users = [_user(seeds, n) for n in range(seeds.size("account_users", 8))]
    team = str(368_389 + number)
    return {
        "id": team,
        "name": ("Sales Team", "North", "South")[number % 3],
        "userIds": [u["id"] for u in users if u.get("primaryTeamId") == team],
        "secondaryUserIds": [u["id"] for u in users if team in u["secondaryTeamIds"]],
        "_parentTeamId": "368389" if number else None,
    }


def _team_of_beta(_: Ask, row: Row) -> Row:
    return {"id": row["id"], "name": row["name"], "parentTeamId": row.get("_parentTeamId")}


def _members(ask: Ask) -> Row:
    team = ask.collections["teams"][ask.params["parent"]]
    rows = [{"userId": one, "type": "DEFAULT"} for one in team.get("userIds", ())]
    rows += [{"userId": one, "type": "EXTRA"} for one in team.get("secondaryUserIds", ())]
    return {"results": rows}


def _rate(seeds: Seeds, number: int) -> Row:
    code, rate = RATES[number % len(RATES)]
    at = seeds.made(number * 30)
    return {
        "id": str(3 + number),
        "fromCurrencyCode": code,
        "toCurrencyCode": "EUR",
        "conversionRate": round(rate + number // len(RATES) * 0.01, 4),
        "effectiveAt": at,
        "visibleInUI": True,
        "createdAt": at,
        "updatedAt": at,
    }


def _current(ask: Ask) -> Row:
    latest: dict[str, Row] = {}
    for row in ask.collections["exchange_rates"].seen():
        known = latest.get(row["fromCurrencyCode"])
        if known is None or known["effectiveAt"] < row["effectiveAt"]:
            latest[row["fromCurrencyCode"]] = row
    return {"results": list(latest.values())}


def _code(_: Seeds, number: int) -> Row:
    codes = (("EUR", "Euro"), ("USD", "US Dollar"), ("GBP", "British Pound"), ("JPY", "Yen"))
    code, name = codes[number % len(codes)]
    return {"currencyCode": code, "currencyName": name}


def _central_rates(ask: Ask) -> Row:
    return {"centralExchangeRatesEnabled": bool(ask.collections["company_currency"].seen())}


def _unsupported(_: Ask) -> Row:
    return {"results": [{"currencyCode": "XAU", "currencyName": "Gold"}]}


def _own_currency(seeds: Seeds, _: int) -> Row:
    return {"id": "1", "currencyCode": "EUR", "createdAt": seeds.made(0)}


def _company_currency(ask: Ask) -> Row:
    rows = ask.collections["company_currency"].seen()
    return rows[0] if rows else {}


def _tax_rate(seeds: Seeds, number: int) -> Row:
    return {
        "id": str(5 + number),
        "name": f"VAT {number}",
        "label": f"VAT {20 - number} %",
        "percentageRate": 20 - number,
        "active": number % 3 != 2,  # noqa: PLR2004 - the third one is no longer in use
        "createdAt": seeds.made(number),
        "updatedAt": seeds.changed(number),
    }


def _meeting_link(seeds: Seeds, number: int) -> Row:
    kinds = ("PERSONAL_LINK", "GROUP_CALENDAR", "ROUND_ROBIN_CALENDAR")
    members = [seeds.user(number + n) for n in range(1 + number % 3)]
    return {
        "id": str(71 + number),
        "name": f"Meeting {number}",
        "slug": f"owner{number}/intro",
        "link": f"https://meetings.example.com/owner{number}/intro",
        "type": kinds[number % 3],
        "organizerUserId": members[0],
        "defaultLink": number == 0,
        "userIdsOfLinkMembers": members,
        "createdAt": seeds.made(number),
        "updatedAt": seeds.changed(number),
    }


def _unit(_: Seeds, number: int) -> Row:
    return {
        "id": str(8_001 + number),
        "name": UNITS[number % len(UNITS)],
        "logoMetadata": {
            "logoUrl": f"https://cdn.example.com/{number}.png",
            "logoAltText": "logo",
            "resizedUrl": f"https://cdn.example.com/{number}-small.png",
        },
    }


def _units_of_user(ask: Ask) -> Row:
    user = ask.params["parent"]
    names, wanted = ask.query.get("name", ()), ask.query.get("properties", ())
    rows = [
        {n: v for n, v in row.items() if n[0] != "_" and (n != "logoMetadata" or n in wanted)}
        for row in ask.collections["business_units"].seen()
        if user not in row.get("_hidden_from", ()) and (not names or row["name"] in names)
    ]
    return {"results": rows}


def _seat(_: Seeds, number: int) -> Row:
    name = ("CORE", "SALES_PROFESSIONAL")[number % 2]
    return {"name": name, "description": f"Seats of {name}", "remainingSeats": 5 - number}


def _range(_: Seeds, number: int) -> Row:
    service = ("EMAIL", "API", "WEB_SCRAPING")[number % 3]
    return {"cidr": f"192.0.2.{number * 32}/27", "service": service, "direction": "EGRESS",
            "description": f"Calls of {service}"}  # fmt: skip


KINDS = (
    Kind("account_users", _user, 8, required="id email superAdmin roleIds"),
    Kind("roles", _role, 4, required="id name"),
    Kind("teams", _team, 3, required="id name userIds secondaryUserIds"),
    Kind("exchange_rates", _rate, 6, time="effectiveAt", touched="updatedAt"),
    Kind("currency_codes", _code, 4, key="currencyCode"),
    Kind("company_currency", _own_currency, 1),
    Kind("tax_rates", _tax_rate, 3, touched="updatedAt", required="id name active"),
    Kind("meeting_links", _meeting_link, 5, touched="updatedAt",
         required="id name slug link type organizerUserId"),
    Kind("business_units", _unit, 2, required="id name"),
    Kind("seats", _seat, 2, key="name", required="name"),
    Kind("ip_ranges", _range, 3, key="cidr service direction"),
)  # fmt: skip

_USER_SCOPES = "settings.users.read crm.objects.users.read"
_MONEY: dict[str, Any] = {"scopes": "settings.currencies.read", "product": "currencies"}
_USERS = Endpoint(collection="account_users", paths=USERS, paging=after(), scopes=_USER_SCOPES)
_TEAMS = Endpoint(collection="teams", paths=TEAMS_BETA, name="beta", paging=after(),
                  scopes="settings.users.teams.read", shape=_team_of_beta)  # fmt: skip
_RATES = Endpoint(
    collection="exchange_rates", paths=f"{CURRENCIES}/exchange-rates", paging=after(), **_MONEY,
    filters="fromCurrencyCode=fromCurrencyCode toCurrencyCode=toCurrencyCode",
)  # fmt: skip
_TAXES = Endpoint(
    collection="tax_rates", paths="/tax-rates/(v1|~)/tax-rates", paging=after(),
    scopes="tax_rates.read", filters="active=active@bool",
)  # fmt: skip
_MEETINGS = Endpoint(
    collection="meeting_links", paths=MEETINGS, paging=after(total=True),
    filters="organizerUserId=organizerUserId type=type name~name",
    scopes="scheduler.meetings.meeting-link.read",
)  # fmt: skip
ENDPOINTS = (
    _USERS,
    one_of(_USERS, query="idProperty"),
    Endpoint(collection="roles", paths=f"{USERS}/roles", scopes=_USER_SCOPES),
    Endpoint(collection="teams", paths=f"{USERS}/teams", scopes="settings.users.teams.read"),
    _TEAMS,
    one_of(_TEAMS),
    Endpoint(collection="teams", paths=TEAMS_BETA + "/{parent}/members", name="members",
             paging=after(), parent="teams", scopes="settings.users.teams.read", answer=_members),
    _RATES,
    one_of(_RATES),
    batch_of(_RATES, member="id"),
    Endpoint(collection="exchange_rates", name="current", answer=_current,
             paths=f"{CURRENCIES}/exchange-rates/current", **_MONEY),
    Endpoint(collection="exchange_rates", name="central", answer=_central_rates,
             paths=f"{CURRENCIES}/central-fx-rates/information", **_MONEY),
    Endpoint(collection="exchange_rates", name="unsupported", answer=_unsupported,
             paths=f"{CURRENCIES}/central-fx-rates/unsupported-currencies", **_MONEY),
    Endpoint(collection="currency_codes", paths=f"{CURRENCIES}/codes", **_MONEY),
    Endpoint(collection="company_currency", paths=f"{CURRENCIES}/company-currency", name="get",
             answer=_company_currency, **_MONEY),
    _TAXES,
    one_of(_TAXES),
    _MEETINGS,
    Endpoint(
        collection="business_units", name="of_user", parent="account_users",
        paths="/business-units/(v3|public/~)/business-units/user/{parent}",
        query="properties name", scopes="business_units_view.read", product="business_units",
        answer=_units_of_user,
    ),
    Endpoint(collection="seats", paths="/settings/users/2026-09-beta/seats",
             scopes="settings.billing.write"),
    Endpoint(collection="ip_ranges", paths="/meta/network-origins/~/ip-ranges",
             filters="service=service direction=direction"),
)  # fmt: skip
