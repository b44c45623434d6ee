"""Price books, payment links, changes of contracts, lead scores, AEO, transcripts of calls."""

from ...catalog.definitions import TRANSCRIPTS_SEEDED, transcript_id
from ..asking import Ask, not_found
from ..endpoint import Endpoint, after, one_of
from ..kind import Keep, Kind, Row
from ..refusal import refuse
from ..seeding import Seeds, guid

BOOKS = "/commerce/price-books/2026-09-beta/price-books"
SCORES = "/marketing/lead-scoring/2026-09-beta"
AEO = "/marketing/aeo/2026-09-beta"
TRANSCRIPTS = "/crm/(v3/extensions/calling|extensions/calling/~)/transcripts"


def _book(seeds: Seeds, number: int) -> Row:
    return {
        "id": str(61 + number),
        "name": f"Price book {number}",
        "description": "",
        "status": "ACTIVE" if number % 2 == 0 else "INACTIVE",
        "supportedCurrencies": ["EUR", "USD"],
        "autoAssignmentEnabled": False,
        "countOfIncludedProducts": 2,
        "customProperties": {},
        "createdAt": seeds.made(number),
        "updatedAt": seeds.changed(number),
        "archived": False,
        **({"_archived": True, "archivedAt": seeds.changed(9)} if number == 2 else {}),  # noqa: PLR2004 - the third one
    }


def _item(seeds: Seeds, number: int) -> Row:
    books = max(1, seeds.size("price_books", 3))
    return {
        "_parent": str(61 + number % books),
        "id": str(6_101 + number),
        "priceBookId": str(61 + number % books),
        "productId": seeds.record("products", number),
        "productType": "inventory",
        "productClassification": "STANDALONE",
        "pricing": {
            "pricingModel": ("FLAT", "GRADUATED")[number % 2],
            "prices": [
                {"currencyCode": "EUR", "price": 10 + number, "maxQuantity": None},
                {"currencyCode": "USD", "price": 11.5 + number, "maxQuantity": 10},
            ],
        },
        "billingFrequency": "monthly",
        "billingPeriod": "P12M",
        "costOfGoodsSold": 3,
        "createdAt": seeds.made(number),
        "updatedAt": seeds.changed(number),
    }


def _link(seeds: Seeds, number: int) -> Row:
    return {
        "id": str(1_301 + number),
        "name": f"Payment link {number}",
        "url": f"https://pay.example.com/{number}",
        "active": True,
        "createdAt": seeds.made(number),
        "updatedAt": seeds.changed(number),
        "archived": False,
    }


def _change(seeds: Seeds, number: int) -> Row:
    return {
        "_parent": seeds.record("contracts", 0),
        "id": str(1_401 + number),
        "changeType": "AMENDMENT",
        "effectiveAt": seeds.changed(number),
        "createdAt": seeds.made(number),
        "updatedAt": seeds.changed(number),
    }


def _contract(ask: Ask) -> None:
    table = ask.contents.table("contracts")
    contract = ask.params["parent"]
    known = contract.isdecimal() and table.has(int(contract))
    if not known and not ask.collections["contract_changes"].seen(contract):
        raise not_found(f"There is no contract {contract}")


def _score(seeds: Seeds, number: int) -> Row:
    return {
        "id": str(1_501 + number),
        "name": f"Score {number}",
        "objectTypeId": "0-1",
        "scoreType": "ENGAGEMENT",
        "active": True,
        "createdAt": seeds.made(number),
        "updatedAt": seeds.changed(number),
    }


def _score_value(seeds: Seeds, number: int) -> Row:
    return {
        "objectId": seeds.contact(number)[0],
        "objectTypeId": "0-1",
        "scoreId": "1501",
        "value": 10 * number,
        "timestamp": seeds.event("lead_score_values", number, 4),
    }


def _need_object(ask: Ask) -> None:
    for name in ("objectId", "objectTypeId"):
        if not ask.one(name):
            raise refuse(f"The query parameter {name} is required")


def _prompt(seeds: Seeds, number: int) -> Row:
    return {
        "id": str(1_601 + number),
        "text": f"Which CRM is best for {number}?",
        "businessUnitId": number % 2 * 8_001,
        "createdAt": seeds.made(number),
        "updatedAt": seeds.changed(number),
    }


def _run(seeds: Seeds, number: int) -> Row:
    prompts = max(1, seeds.size("aeo_prompts", 3))
    return {
        "_parent": str(1_601 + number % prompts),
        "id": str(1_701 + number),
        "engine": "example",
        "mentioned": number % 2 == 0,
        "createdAt": seeds.event("aeo_prompt_runs", number, 6),
    }


def _recommendation(seeds: Seeds, number: int) -> Row:
    return {
        "id": str(1_801 + number),
        "title": f"Write about {number}",
        "status": "OPEN",
        "businessUnitId": 0,
        "createdAt": seeds.made(number),
    }


def _in_unit(ask: Ask) -> Keep:
    wanted = ask.one("businessUnitId", "0")
    return lambda row: str(row.get("businessUnitId", 0)) == wanted


def _transcript(seeds: Seeds, number: int) -> Row:
    return {
        "id": transcript_id(number),
        "engagementId": int(seeds.record("calls", number)),
        "transcriptSource": "INTEGRATOR_GENERATED",
        "transcriptUtterances": [
            {"id": guid(f"utterance {number} {place}"), "text": text, "languageCode": "en",
             "speaker": {"id": str(place), "name": f"Speaker {place}", "email": None},
             "startTimeMillis": place * 1_000, "endTimeMillis": place * 1_000 + 900}
            for place, text in enumerate(("Hello", "Good morning", "Äh …"))
        ],
        "createdAt": seeds.made(number),
        "updatedAt": seeds.changed(number),
    }  # fmt: skip


def _recap(seeds: Seeds, number: int) -> Row:
    return {
        "_parent": "0-48",
        "_object": seeds.record("calls", number),
        "summary": f"Talk {number}",
        "actionItems": [{"text": "Call again"}],
        "createdAt": seeds.made(number),
    }


def _recap_of(ask: Ask) -> Row:
    row = ask.collections["conversation_recaps"].find((ask.params["type"], ask.params["object"]))
    if row is None:
        raise not_found()
    return {name: value for name, value in row.items() if name[0] != "_"}


KINDS = (
    Kind("price_books", _book, 3, touched="updatedAt", archived_at="archivedAt",
         required="id name status"),
    Kind("price_book_items", _item, 4, key="_parent id", parent="price_books",
         touched="updatedAt", required="id priceBookId productId"),
    Kind("payment_links", _link, 3, touched="updatedAt", archived_at="archivedAt",
         required="id name"),
    Kind("contract_changes", _change, 2, key="_parent id", touched="updatedAt"),
    Kind("lead_scores", _score, 2, touched="updatedAt"),
    Kind("lead_score_values", _score_value, 4, key="objectId scoreId timestamp",
         time="timestamp"),
    Kind("aeo_prompts", _prompt, 3, touched="updatedAt"),
    Kind("aeo_prompt_runs", _run, 6, key="_parent id", parent="aeo_prompts"),
    Kind("aeo_recommendations", _recommendation, 2),
    Kind("call_transcripts", _transcript, TRANSCRIPTS_SEEDED, touched="updatedAt"),
    Kind("conversation_recaps", _recap, 2, key="_parent _object"),
)  # fmt: skip
_MS_SPANS = ("createdAfter>createdAt@ms createdBefore<createdAt@ms updatedAfter>updatedAt@ms "
             "updatedBefore<updatedAt@ms")  # fmt: skip
_BOOKS = Endpoint(collection="price_books", paths=BOOKS, paging=after(), archived=True,
                  scopes="price-book-read", product="commerce")  # fmt: skip
_CHANGED_SINCE = "createdAfter>createdAt"
ENDPOINTS = (
    _BOOKS,
    one_of(_BOOKS),
    Endpoint(collection="price_book_items", paths=BOOKS + "/{parent}/items", paging=after(),
             query="properties", scopes="price-book-read", product="commerce"),
    Endpoint(collection="payment_links", paging=after(20, 100), archived=True,
             paths="/commerce/payment-links/2026-09-beta/payment-links",
             scopes="payment-links-read", product="commerce", filters=_MS_SPANS,
             sorts="createdAt updatedAt name"),
    Endpoint(collection="contract_changes", check=_contract, product="commerce",
             paths="/commerce/contracts/2026-09-beta/contracts/{parent}/changes",
             scopes="crm.objects.contracts.read"),
    Endpoint(collection="lead_scores", paths=f"{SCORES}/scores", paging=after(10, 100),
             scopes="mh-lead-scoring-view", product="lead_scoring"),
    Endpoint(collection="lead_score_values", name="history", check=_need_object,
             paths=f"{SCORES}/score-values/object-history", scopes="mh-lead-scoring-view",
             product="lead_scoring", paging=after(10, 100), order="timestamp",
             filters="objectId=objectId objectTypeId=objectTypeId"),
    Endpoint(collection="aeo_prompts", paths=f"{AEO}/prompts", paging=after(), keep=_in_unit,
             query="businessUnitId", filters=_CHANGED_SINCE, product="aeo"),
    Endpoint(collection="aeo_prompt_runs", paths=AEO + "/prompts/{parent}/runs",
             paging=after(), filters=_CHANGED_SINCE, product="aeo"),
    Endpoint(collection="aeo_recommendations", paths=f"{AEO}/recommendations", paging=after(),
             keep=_in_unit, query="businessUnitId", filters=_CHANGED_SINCE, product="aeo"),
    one_of(Endpoint(collection="call_transcripts", paths=TRANSCRIPTS,
                    scopes="crm.extensions_calling_transcripts.read")),
    Endpoint(collection="conversation_recaps", name="of_record", answer=_recap_of,
             paths="/notetaker/2026-09-beta/conversation/recap/{type}/{object}"),
)  # fmt: skip
