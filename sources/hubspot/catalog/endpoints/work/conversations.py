"""Conversations of the inbox and the help desk: threads, messages, and who speaks in them."""

from functools import partial

from ..declaration import (
    EVERY_RUN,
    LEGACY_SUNSET,
    WITH_ARCHIVED,
    Batches,
    Endpoint,
    Increment,
    Parents,
    Table,
)
from ..paging import after

GROUP = "conversations"
NUMBERED, DATED = "/conversations/v3/conversations", "/conversations/conversations/2026-09"
_endpoint = partial(
    Endpoint, group=GROUP, default=False, scopes=("conversations.read",), sunset=LEGACY_SUNSET
)
ENDPOINTS = (
    _endpoint(
        "conversation_inboxes",
        numbered=f"{NUMBERED}/inboxes",
        dated=f"{DATED}/inboxes",
        paging=after(100),
        variants=WITH_ARCHIVED,
        key="id",
        columns="id, name, type, created_at, updated_at, archived bool,"
        " archived_at timestamp:nonzero",
        about="an inbox or help desk",
    ),
    _endpoint(
        "conversation_channels",
        numbered=f"{NUMBERED}/channels",
        dated=f"{DATED}/channels",
        paging=after(100),
        key="id",
        columns="id, name",
        about="a channel that messages come through",
    ),
    _endpoint(
        "conversation_channel_accounts",
        numbered=f"{NUMBERED}/channel-accounts",
        dated=f"{DATED}/channel-accounts",
        paging=after(100),
        variants=WITH_ARCHIVED,
        key="id",
        columns="id, name, inbox_id, channel_id, active bool, authorized bool,"
        " delivery_type = deliveryIdentifier.type, delivery_value = deliveryIdentifier.value,"
        " created_at, archived bool, archived_at timestamp:nonzero",
        about="an account at a channel, such as an address",
    ),
    _endpoint(
        "conversation_threads",
        numbered=f"{NUMBERED}/threads",
        dated=f"{DATED}/threads",
        params={"association": "TICKET"},
        paging=after(500),
        variants=WITH_ARCHIVED,
        read=Increment(
            "latestMessageTimestampAfter",
            "latest_message_timestamp",
            params={"sort": "latestMessageTimestamp"},
        ),
        due=EVERY_RUN,
        key="id",
        columns="id, status, inbox_id, assigned_to, associated_contact_id text:contact,"
        " associated_ticket_id = threadAssociations.associatedTicketId, original_channel_id,"
        " original_channel_account_id, created_at, closed_at,"
        " latest_message_timestamp timestamp, latest_message_received_timestamp timestamp,"
        " latest_message_sent_timestamp timestamp, spam bool, archived bool",
        about="a conversation",
    ),
    _endpoint(
        "conversation_messages",
        numbered=f"{NUMBERED}/threads/{{thread_id}}/messages",
        dated=f"{DATED}/threads/{{thread_id}}/messages",
        paging=after(100),
        variants=WITH_ARCHIVED,
        per=Parents(
            "conversation_threads",
            {"thread_id": "id"},
            changed="latest_message_timestamp, closed_at",
        ),
        due=EVERY_RUN,
        omitted="conversationsThreadId",
        key="thread_id, id",
        columns="thread_id = @thread_id, id, type, created_at, updated_at,"
        " created_by text:visitor, client_type = client.clientType,"
        " integration_app_id = client.integrationAppId, direction, channel_id,"
        " channel_account_id, subject text:body, text text:body, rich_text text:body,"
        " status_type = status.statusType, failure json = status.failureDetails,"
        " truncation_status, in_reply_to_id, assigned_to, assigned_from, new_status,"
        " from_inbox_id, to_inbox_id, archived bool",
        about="a message, comment or event in a conversation",
        children=(
            Table(
                "conversation_message_participants",
                "thread_id, message_id, role, ordinal",
                "thread_id = @thread_id, message_id = ^id, role = .key, ordinal integer = #,"
                " actor_id text:visitor, name, field = senderField|recipientField,"
                " delivery_type = deliveryIdentifier.type,"
                " delivery_value text:email = deliveryIdentifier.value",
                rows="sender: senders | recipient: recipients",
                is_of_person=True,
                about="a sender or recipient of a message",
            ),
            Table(
                "conversation_attachments",
                "thread_id, message_id, ordinal",
                "thread_id = @thread_id, message_id = ^id, ordinal integer = #, type, file_id,"
                " name, url, payload json = .",
                rows="attachments",
                about="an attachment of a message",
            ),
        ),
    ),
    _endpoint(
        "conversation_original_contents",
        numbered=f"{NUMBERED}/threads/{{thread_id}}/messages/{{message_id}}/original-content",
        dated=f"{DATED}/threads/{{thread_id}}/messages/{{message_id}}/original-content",
        rows=".",
        per=Parents(
            "conversation_messages",
            {"thread_id": "thread_id", "message_id": "id"},
            changed="updated_at",
            where="truncation_status <> 'NOT_TRUNCATED'",
        ),
        due=EVERY_RUN,
        key="thread_id, message_id",
        columns="thread_id = @thread_id, message_id = @message_id, text text:body,"
        " rich_text text:body",
        about="the whole text of a message that is shortened elsewhere",
    ),
    _endpoint(
        "conversation_actors",
        numbered=f"{NUMBERED}/actors/batch/read",
        dated=f"{DATED}/actors/batch/read",
        method="POST",
        per=Batches(
            "conversation_messages",
            "created_by",
            100,
            also=(
                "conversation_threads.assigned_to",
                "conversation_messages.assigned_to",
                "conversation_messages.assigned_from",
                "conversation_message_participants.actor_id",
            ),
            unseen=True,
        ),
        key="id",
        columns="id text:visitor, type, name, email text:email, avatar",
        about="a person or bot that takes part in conversations",
    ),
)
