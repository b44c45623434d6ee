"""Forms, their fields, and what people submitted."""

from ..declaration import (
    EVERY_RUN,
    LEGACY_SUNSET,
    WITH_ARCHIVED,
    Endpoint,
    NewestFirst,
    Parents,
    Table,
)
from ..paging import after

FORMS = "forms"
ENDPOINTS = (
    Endpoint(
        "forms",
        group=FORMS,
        path="/marketing/v3/forms",
        params={"formTypes": "all"},
        variants=WITH_ARCHIVED,
        paging=after(500),
        scopes=("forms",),
        sunset=LEGACY_SUNSET,
        key="id",
        columns="id, name, form_type, created_at, updated_at, archived bool,"
        " archived_at timestamp:nonzero, configuration json, display_options json,"
        " legal_consent_options json",
        about="a form",
        children=(
            Table(
                "form_fields",
                "form_id, group_ordinal, field_ordinal",
                "form_id = ^id, group_ordinal integer = #1, field_ordinal integer = #,"
                " object_type_id, name, label, field_type, required bool, hidden bool,"
                " default_value, default_values json, description, placeholder, options json,"
                " validation json, dependent_fields json",
                rows="fieldGroups.fields",
                about="a field of a form",
            ),
        ),
    ),
    Endpoint(
        "form_submissions",
        group=FORMS,
        path="/form-integrations/v1/submissions/forms/{form_id}",
        paging=after(50),
        read=NewestFirst("submitted_at"),
        per=Parents("forms", {"form_id": "id"}, where="form_type <> 'blog_comment'"),
        due=EVERY_RUN,
        scopes=("forms",),
        sunset=LEGACY_SUNSET,
        key="submission_key",
        columns="submission_key = conversionId|hash, conversion_id, form_id = @form_id,"
        " submitted_at timestamp:ms, page_url",
        about="a form that somebody sent",
        children=(
            Table(
                "form_submission_values",
                "submission_key, ordinal",
                "submission_key = ^conversionId|^hash, ordinal integer = #, object_type_id,"
                " name, value text:email",
                rows="values",
                is_of_person=True,
                about="an answer in a form that was sent",
            ),
        ),
    ),
)
