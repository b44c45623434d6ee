"""What was said in calls."""

from ..declaration import Endpoint, Parents, Table

ENDPOINTS = (
    Endpoint(
        "call_transcripts",
        group="transcripts",
        numbered="/crm/v3/extensions/calling/transcripts/{transcript_id}",
        dated="/crm/extensions/calling/{version}/transcripts/{transcript_id}",
        rows=".",
        per=Parents(
            "calls",
            {"call_id": "id", "transcript_id": "hs_call_transcription_id"},
            changed="_hs_updated_at",
            where="hs_call_transcription_id IS NOT NULL",
        ),
        omitted="id",
        default=False,
        scopes=("crm.extensions_calling_transcripts.read",),
        key="call_id, id",
        columns="call_id = @call_id, id = @transcript_id, engagement_id, transcript_source,"
        " created_at, updated_at",
        about="the transcript of a call",
        children=(
            Table(
                "call_transcript_utterances",
                "transcript_id, ordinal",
                "transcript_id = @transcript_id, ordinal integer = #, id, speaker_id = speaker.id,"
                " speaker_name = speaker.name, speaker_email text:email = speaker.email,"
                " text text:body, start_time_millis integer, end_time_millis integer,"
                " language_code",
                rows="transcriptUtterances",
                about="what one person said at one time in a call",
            ),
        ),
    ),
)
