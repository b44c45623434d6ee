"""Inboxes, channels, threads with their messages, and who speaks in them."""

from ..asking import Ask
from ..endpoint import Batch, Endpoint, after, one_of
from ..kind import Kind, Row
from ..refusal import refuse
from ..seeding import MINUTE_MS, Seeds

BASE = "/conversations/(v3/conversations|conversations/2026-09|conversations/2026-09-beta)"
SCOPE = "conversations.read"
THREADS, MESSAGES = 6, 24
TYPES = ("MESSAGE", "MESSAGE", "COMMENT", "ASSIGNMENT", "THREAD_STATUS_CHANGE",
         "THREAD_INBOX_CHANGE", "WELCOME_MESSAGE")  # fmt: skip
ATTACHMENTS = [
    {"type": "FILE", "fileId": "8001", "name": "file0.png", "url": "https://files.example.com/0",
     "fileUsageType": "IMAGE"},
    {"type": "LOCATION", "latitude": 52.5, "longitude": 13.4, "name": "Berlin"},
]  # fmt: skip


def _inbox(seeds: Seeds, number: int) -> Row:
    made: Row = {
        "id": str(3 + number),
        "name": ("Support", "Sales", "Old help desk")[number % 3],
        "type": "INBOX" if number != 1 else "HELP_DESK",
        "createdAt": seeds.made(number),
        "updatedAt": seeds.changed(number),
        "archived": False,
    }
    if number == 2:  # noqa: PLR2004 - the third one is no longer in use
        made |= {"_archived": True, "archivedAt": seeds.changed(9)}
    return made


def _channel(_: Seeds, number: int) -> Row:
    return {"id": str(1_000 + number), "name": ("LIVE_CHAT", "EMAIL", "WHATSAPP")[number % 3]}


def _account(seeds: Seeds, number: int) -> Row:
    return {
        "id": str(8 + number),
        "name": f"Account {number}",
        "inboxId": str(3 + number % 2),
        "channelId": str(1_000 + number % 2),
        "active": True,
        "authorized": True,
        "deliveryIdentifier": {"type": "HS_EMAIL_ADDRESS", "value": f"team{number}@example.com"},
        "createdAt": seeds.made(number),
        "archived": False,
    }


def _thread_times(seeds: Seeds, number: int) -> tuple[int, int]:
    """Return when a thread began, and when its last seeded message came."""
    began = seeds.event_ms("conversation_threads", number, THREADS)
    return began, began + 6 * MINUTE_MS


def _thread(seeds: Seeds, number: int) -> Row:
    began, last = _thread_times(seeds, number)
    made: Row = {
        "id": str(5_001 + number),
        "status": "OPEN" if number % 3 else "CLOSED",
        "inboxId": str(3 + number % 2),
        "associatedContactId": seeds.contact(number)[0],
        "originalChannelId": str(1_000 + number % 2),
        "originalChannelAccountId": str(8 + number % 2),
        "createdAt": seeds.instant(began),
        "latestMessageTimestamp": seeds.instant(last),
        "latestMessageReceivedTimestamp": seeds.instant(last),
        "spam": number % 5 == 4,  # noqa: PLR2004 - one in five
        "archived": False,
    }
    if number % 2:
        made |= {"assignedTo": f"A-{seeds.user(number)}",
                 "latestMessageSentTimestamp": seeds.instant(last - MINUTE_MS)}  # fmt: skip
    if number % 3 == 0:
        made["closedAt"] = seeds.instant(last)
    if number % 3 == 1:
        made["_ticket"] = seeds.record("tickets", number)
    if number == THREADS - 1:
        made["_archived"] = True
    return made


def _with_ticket(ask: Ask, row: Row) -> Row:
    if ask.one("association") != "TICKET" or "_ticket" not in row:
        return row
    return {**row, "threadAssociations": {"associatedTicketId": row["_ticket"]}}


def _check_threads(ask: Ask) -> None:
    """Refuse combinations of parameters that HubSpot documents as impossible."""
    sort, contact = ask.one("sort"), ask.one("associatedContactId")
    if sort.lstrip("-") == "latestMessageTimestamp" and not ask.one("latestMessageTimestampAfter"):
        raise refuse("latestMessageTimestampAfter is required to sort by latestMessageTimestamp")
    if sort.startswith("-") and not contact:
        raise refuse("Descending order needs associatedContactId")
    if contact and not ask.one("threadStatus"):
        raise refuse("threadStatus is required with associatedContactId")
    if contact and ask.one("inboxId"):
        raise refuse("inboxId cannot be combined with associatedContactId")
    if ask.one("association") not in ("", "TICKET"):
        raise refuse("association must be TICKET")


def _message(seeds: Seeds, number: int) -> Row:
    threads = max(1, seeds.size("conversation_threads", THREADS))
    thread, place = number % threads, number // threads
    began, _ = _thread_times(seeds, thread)
    kind = TYPES[(thread + place) % len(TYPES)]
    agent, visitor = f"A-{seeds.user(thread)}", f"V-{seeds.contact(thread)[0]}"
    at = seeds.instant(began + place * 2 * MINUTE_MS)
    return {
        "_parent": str(5_001 + thread),
        "id": f"m{number + 1}",
        "type": kind,
        "conversationsThreadId": str(5_001 + thread),
        "createdAt": at,
        "updatedAt": at,
        "createdBy": visitor if kind == "MESSAGE" and place % 2 == 0 else agent,
        "client": {"clientType": "INTEGRATION", "integrationAppId": 42}
        if number % 4 == 0
        else {"clientType": "HUBSPOT"},
        "senders": [{"actorId": visitor, "name": "Ada", "senderField": "FROM",
                     "deliveryIdentifier": {"type": "HS_EMAIL_ADDRESS",
                                            "value": seeds.contact(thread)[1]}}],
        "recipients": [{"actorId": agent, "recipientField": "TO"}],
        "archived": False,
        **_of_kind(seeds, kind, number),
    }  # fmt: skip


def _of_kind(seeds: Seeds, kind: str, number: int) -> Row:
    """Return the members that only messages of one type have."""
    text = {"text": f"Text {number}", "richText": f"<p>Text {number}</p>"}
    channel = {"channelId": "1000", "channelAccountId": "8"}
    members: dict[str, Row] = {
        "MESSAGE": {
            **text, **channel, "subject": f"About {number}",
            "attachments": ATTACHMENTS[: number % 3], "direction": "INCOMING",
            "status": {"statusType": "RECEIVED"}, "truncationStatus": "NOT_TRUNCATED",
        },
        "COMMENT": {**text, "attachments": []},
        "WELCOME_MESSAGE": {**text, **channel},
        "ASSIGNMENT": {"assignedTo": f"A-{seeds.user(number)}", "assignedFrom": "S-hubspot"},
        "THREAD_STATUS_CHANGE": {"newStatus": "CLOSED"},
        "THREAD_INBOX_CHANGE": {"fromInboxId": "3", "toInboxId": "4"},
    }  # fmt: skip
    return members[kind]


def _original(ask: Ask) -> Row:
    """Return the whole text of a message; that of one cut short is in `_text` and `_richText`."""
    found = ask.collections["conversation_messages"]
    row = found[(ask.params["parent"], ask.params["message"])]
    return {name: row.get(f"_{name}", row.get(name)) for name in ("text", "richText")}


def _actor(seeds: Seeds, number: int) -> Row:
    if number < THREADS:
        owner = seeds.owner(number)
        return {"id": f"A-{owner['userId']}", "type": "AGENT", "email": owner["email"],
                "name": f"{owner['firstName']} {owner['lastName']}"}  # fmt: skip
    if number == THREADS:
        return {"id": "S-hubspot", "type": "SYSTEM", "name": "HubSpot"}
    contact, email = seeds.contact(number - THREADS - 1)
    return {"id": f"V-{contact}", "type": "VISITOR", "name": f"Visitor {number}", "email": email,
            "avatar": f"https://avatars.example.com/{number}"}  # fmt: skip


KINDS = (
    Kind("conversation_inboxes", _inbox, 3, touched="updatedAt", archived_at="archivedAt",
         required="id name type createdAt"),
    Kind("conversation_channels", _channel, 3, required="id name"),
    Kind("conversation_channel_accounts", _account, 3, archived_at="archivedAt",
         required="id name inboxId channelId"),
    Kind("conversation_threads", _thread, THREADS,
         required="id status inboxId createdAt originalChannelId originalChannelAccountId"),
    Kind("conversation_messages", _message, MESSAGES, key="_parent id",
         parent="conversation_threads", touched="updatedAt",
         required="id type conversationsThreadId createdAt createdBy client"),
    Kind("conversation_actors", _actor, 2 * THREADS + 1, required="id type"),
)  # fmt: skip
_INBOXES = Endpoint(collection="conversation_inboxes", paths=f"{BASE}/inboxes", scopes=SCOPE,
                    paging=after(total=True), archived=True, sorts="id createdAt")  # fmt: skip
_CHANNELS = Endpoint(collection="conversation_channels", paths=f"{BASE}/channels", scopes=SCOPE,
                     paging=after(total=True), sorts="id name")  # fmt: skip
_ACCOUNTS = Endpoint(
    collection="conversation_channel_accounts", paths=f"{BASE}/channel-accounts", scopes=SCOPE,
    paging=after(total=True), archived=True, sorts="id createdAt",
    filters="inboxId=inboxId channelId=channelId",
)  # fmt: skip
_THREADS = Endpoint(
    collection="conversation_threads", paths=f"{BASE}/threads", scopes=SCOPE, archived=True,
    paging=after(100, 500), sorts="id latestMessageTimestamp", query="association",
    filters="inboxId=inboxId associatedContactId=associatedContactId threadStatus=status "
            "associatedTicketId=_ticket latestMessageTimestampAfter>=latestMessageTimestamp@iso",
    check=_check_threads, shape=_with_ticket,
)  # fmt: skip
_MESSAGES = Endpoint(
    collection="conversation_messages", paths=BASE + "/threads/{parent}/messages", scopes=SCOPE,
    paging=after(100, 500), archived=True, sorts="createdAt", order="-createdAt",
)  # fmt: skip
ENDPOINTS = (
    _INBOXES, _CHANNELS, _ACCOUNTS, _THREADS, _MESSAGES,
    *(one_of(one) for one in (_INBOXES, _CHANNELS, _ACCOUNTS)),
    one_of(_THREADS, query="association"),
    one_of(_MESSAGES),
    Endpoint(collection="conversation_messages", name="original", scopes=SCOPE, answer=_original,
             paths=BASE + "/threads/{parent}/messages/{message}/original-content"),
    Endpoint(collection="conversation_actors", name="batch_read", method="POST", body="inputs!",
             paths=f"{BASE}/actors/batch/read", scopes=SCOPE, batch=Batch(100, "", 200)),
    one_of(Endpoint(collection="conversation_actors", paths=f"{BASE}/actors", scopes=SCOPE)),
)  # fmt: skip
