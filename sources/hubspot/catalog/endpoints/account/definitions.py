"""What is set for records: limits of links, outcomes of calls, validations, audits of pipelines."""

from functools import partial

from ..declaration import DAY, LEGACY_SUNSET, WEEK, Endpoint, Parents

DEFINITIONS = "definitions"
_SCOPES = ("crm.objects.<type>.read",)
_TYPE = {"object_type": "object_type", "object_type_id": "object_type_id"}
_HAS_TYPE = "object_type_id IS NOT NULL"
_audits = partial(Endpoint, group=DEFINITIONS, due=WEEK, default=False, scopes=_SCOPES)

ENDPOINTS = (
    Endpoint(
        "association_limits",
        group=DEFINITIONS,
        numbered="/crm/associations/v4/definitions/configurations/all",
        dated="/crm/associations/{version}/definitions/configurations/all",
        budget="associations",
        due=DAY,
        scopes=_SCOPES,
        key="category, type_id",
        columns="category, type_id, label, user_enforced_max integer = userEnforcedMaxToObjectIds",
        about="a limit of links with one label",
    ),
    Endpoint(
        "call_dispositions",
        group=DEFINITIONS,
        path="/calling/v1/dispositions",
        rows="$",
        due=DAY,
        scopes=("crm.objects.contacts.read",),
        sunset=LEGACY_SUNSET,
        key="id",
        columns="id, label, deleted bool",
        about="an outcome that a call can have",
    ),
    Endpoint(
        "property_validations",
        group=DEFINITIONS,
        numbered="/crm/v3/property-validations/{object_type_id}",
        dated="/crm/property-validations/{version}/{object_type_id}",
        per="object type",
        due=DAY,
        scopes=("crm.objects.<type>.read", "crm.schemas.<type>.read"),
        key="object_type, property_name",
        columns="object_type = @object_type, property_name, rules json = propertyValidationRules",
        about="a property with rules for its values",
    ),
    Endpoint(
        "property_groups",
        group=DEFINITIONS,
        numbered="/crm/v3/properties/{object_path}/groups",
        dated="/crm/properties/{version}/{object_path}/groups",
        per="object type",
        due=DAY,
        scopes=("crm.objects.<type>.read", "crm.schemas.<type>.read"),
        key="object_type, name",
        columns="object_type = @object_type, name, label, display_order integer, archived bool",
        about="a group of properties",
    ),
    _audits(
        "pipeline_audits",
        numbered="/crm/v3/pipelines/{object_type_id}/{pipeline_id}/audit",
        dated="/crm/pipelines/{version}/{object_type_id}/{pipeline_id}/audit",
        per=Parents("pipelines", {**_TYPE, "pipeline_id": "id"}, where=_HAS_TYPE),
        key="object_type_id, pipeline_id, timestamp, action",
        columns="object_type = @object_type, object_type_id = @object_type_id,"
        " pipeline_id = @pipeline_id, timestamp timestamp, action, from_user_id, message,"
        " raw json = rawObject",
        about="a change of a pipeline's settings",
    ),
    _audits(
        "pipeline_stage_audits",
        numbered="/crm/v3/pipelines/{object_type_id}/{pipeline_id}/stages/{stage_id}/audit",
        dated="/crm/pipelines/{version}/{object_type_id}/{pipeline_id}/stages/{stage_id}/audit",
        per=Parents(
            "pipeline_stages",
            {**_TYPE, "pipeline_id": "pipeline_id", "stage_id": "id"},
            where=_HAS_TYPE,
        ),
        key="object_type_id, pipeline_id, stage_id, timestamp, action",
        columns="object_type = @object_type, object_type_id = @object_type_id,"
        " pipeline_id = @pipeline_id, stage_id = @stage_id, timestamp timestamp, action,"
        " from_user_id, message, raw json = rawObject",
        about="a change of a stage's settings",
    ),
)
