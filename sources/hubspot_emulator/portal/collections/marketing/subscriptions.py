"""Subscription definitions, and which address has which status."""

from ....clock import iso
from ..asking import Ask
from ..endpoint import Endpoint
from ..kind import Kind, Row
from ..refusal import refuse
from ..seeding import Seeds

BASE = "/communication-preferences/(v4|~)"
V3 = "/communication-preferences/v3"
READ, BATCH = "communication_preferences.read", "communication_preferences.statuses.batch.read"
NAMES = ("Newsletter", "Product news", "One to one")
FIRST_ID, ADDRESSES, MOST = 88, 12, 100
STATUSES = ("SUBSCRIBED", "UNSUBSCRIBED", "NOT_SPECIFIED")


def _definition(seeds: Seeds, number: int) -> Row:
    return {
        "id": str(FIRST_ID + number),
        "name": NAMES[number % len(NAMES)],
        "description": f"What {NAMES[number % len(NAMES)]} is about",
        "purpose": "Marketing",
        "communicationMethod": "Email",
        "isActive": True,
        "isDefault": number == 0,
        "isInternal": number == len(NAMES) - 1,
        "businessUnitId": 0,
        "createdAt": seeds.made(number),
        "updatedAt": seeds.changed(number),
        "_translations": [
            {"languageCode": "de", "name": f"Abo {number}", "description": "Auf Deutsch",
             "subscriptionId": FIRST_ID + number, "createdAt": seeds.made_ms(number),
             "updatedAt": seeds.made_ms(number)},
        ],
    }  # fmt: skip


def _translated(ask: Ask, row: Row) -> Row:
    if not ask.flag("includeTranslations") or "_translations" not in row:
        return row
    return {**row, "subscriptionTranslations": row["_translations"]}


def _status(seeds: Seeds, number: int) -> Row:
    definitions = max(1, seeds.size("subscription_definitions", len(NAMES)))
    place = number % definitions
    status = STATUSES[number % 5 % len(STATUSES)]
    made: Row = {
        "_parent": seeds.contact(number // definitions)[1],
        "channel": "EMAIL",
        "subscriberIdString": seeds.contact(number // definitions)[1],
        "subscriptionId": FIRST_ID + place,
        "subscriptionName": NAMES[place % len(NAMES)],
        "status": status,
        "source": "Form",
        "businessUnitId": 0,
        "timestamp": seeds.event("subscription_statuses", number, ADDRESSES),
    }
    if status == "SUBSCRIBED":
        made |= {
            "legalBasis": "LEGITIMATE_INTEREST_CLIENT",
            "legalBasisExplanation": "asked for it",
        }
    return made


def _opt_out(seeds: Seeds, number: int) -> Row:
    email = seeds.contact(number * 2)[1]
    return {
        "_parent": email,
        "wideStatusType": "PORTAL_WIDE",
        "status": "UNSUBSCRIBED",
        "channel": "EMAIL",
        "timestamp": seeds.event("subscription_opt_outs", number, 3),
    }


def _need_channel(ask: Ask) -> None:
    if ask.one("channel") != "EMAIL":
        raise refuse(f"Invalid channel {ask.one('channel')!r}: EMAIL is the only one")


def _of(ask: Ask, name: str, email: str) -> list[Row]:
    unit = ask.one("businessUnitId")
    return [
        {member: value for member, value in row.items() if member[0] != "_"}
        for row in ask.collections[name].seen(email)
        if not unit or str(row.get("businessUnitId", 0)) == unit
    ]


def _one(ask: Ask) -> Row:
    _need_channel(ask)
    return _enveloped(ask, _of(ask, "subscription_statuses", ask.params["email"]))


def _opted_out_one(ask: Ask) -> Row:
    _need_channel(ask)
    email = ask.params["email"]
    rows = _of(ask, "subscription_opt_outs", email)
    return _enveloped(ask, [{"subscriberIdString": email, **row} for row in rows])


def _enveloped(ask: Ask, rows: list[Row]) -> Row:
    now = iso(ask.now_ms)
    return {"status": "COMPLETE", "results": rows, "startedAt": now, "completedAt": now}


def _inputs(ask: Ask) -> list[str]:
    _need_channel(ask)
    found = ask.body["inputs"]
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise refuse("Invalid input JSON: inputs must be a list of e-mail addresses")
    if len(found) > MOST:
        raise refuse(f"The maximum number of inputs supported in a batch request is {MOST}")
    return list(dict.fromkeys(found))


def _batch(ask: Ask) -> Row:
    return _enveloped(ask, [
        {"subscriberIdString": email, "statuses": _of(ask, "subscription_statuses", email)}
        for email in _inputs(ask)
    ])  # fmt: skip


def _opted_out(ask: Ask) -> Row:
    return _enveloped(ask, [
        {"subscriberIdString": email, "wideStatuses": _of(ask, "subscription_opt_outs", email)}
        for email in _inputs(ask)
    ])  # fmt: skip


def _definitions_of_v3(ask: Ask) -> Row:
    rows = ask.collections["subscription_definitions"].seen()
    return {"subscriptionDefinitions": [
        {name: value for name, value in row.items() if name[0] != "_"} for row in rows
    ]}  # fmt: skip


def _status_of_v3(ask: Ask) -> Row:
    email = ask.params["email"]
    rows = [
        {"id": str(row["subscriptionId"]), "name": row.get("subscriptionName"),
         "status": row["status"], "sourceOfStatus": "SUBSCRIPTION_STATUS"}
        for row in _of(ask, "subscription_statuses", email)
    ]  # fmt: skip
    return {"recipient": email, "subscriptionStatuses": rows}


KINDS = (
    Kind("subscription_definitions", _definition, len(NAMES), touched="updatedAt",
         required="id name isActive isDefault isInternal"),
    Kind("subscription_statuses", _status, ADDRESSES, key="_parent subscriptionId",
         time="timestamp", required="channel subscriberIdString subscriptionId status"),
    Kind("subscription_opt_outs", _opt_out, 3, key="_parent wideStatusType", time="timestamp",
         required="wideStatusType status"),
)  # fmt: skip
ENDPOINTS = (
    Endpoint(collection="subscription_definitions", paths=f"{BASE}/definitions", scopes=READ,
             query="includeTranslations", filters="businessUnitId=businessUnitId",
             shape=_translated, envelope=True),
    Endpoint(collection="subscription_definitions", name="v3", paths=f"{V3}/definitions",
             scopes=READ, answer=_definitions_of_v3),
    Endpoint(collection="subscription_statuses", name="of_email", scopes=READ, answer=_one,
             paths=BASE + "/statuses/{email}", query="channel! businessUnitId"),
    Endpoint(collection="subscription_opt_outs", name="of_email", scopes=READ,
             answer=_opted_out_one, query="channel! businessUnitId verbose",
             paths=BASE + "/statuses/{email}/unsubscribe-all"),
    Endpoint(collection="subscription_statuses", name="v3", scopes=READ, answer=_status_of_v3,
             paths=V3 + "/status/email/{email}"),
    Endpoint(collection="subscription_statuses", name="batch", method="POST", body="inputs!",
             paths=f"{BASE}/statuses/batch/read", scopes=BATCH, answer=_batch,
             product="marketing_enterprise", query="channel! businessUnitId"),
    Endpoint(collection="subscription_opt_outs", name="batch", method="POST", body="inputs!",
             paths=f"{BASE}/statuses/batch/unsubscribe-all/read", scopes=BATCH, answer=_opted_out,
             product="marketing_enterprise", query="channel! businessUnitId"),
)  # fmt: skip
