"""What belongs to the CRM's records: the account, object types, owners, pipelines, definitions."""

from .declaration import EVERY_RUN, WITH_ARCHIVED, Endpoint, Table
from .paging import after

CRM = "crm"
ENDPOINTS = (
    Endpoint(
        "account",
        group=CRM,
        numbered="/account-info/v3/details",
        dated="/account-info/{version}/details",
        family="reference",
        own_reader=True,
        due=EVERY_RUN,
        key="portal_id",
        columns="portal_id integer, account_type, time_zone, company_currency,"
        " additional_currencies json, utc_offset, utc_offset_milliseconds integer, ui_domain,"
        " data_hosting_location",
        about="the portal",
    ),
    Endpoint(
        "object_types",
        group=CRM,
        numbered="/crm-object-schemas/v3/schemas",
        dated="/crm-object-schemas/{version}/schemas",
        family="reference",
        scopes=("crm.schemas.custom.read", "crm.objects.custom.read"),
        own_reader=True,
        key="table_name",
        columns="table_name, object_type_id, name, fully_qualified_name, singular_label,"
        " plural_label, custom bool, created_at, updated_at",
        about="an object type of the portal, standard or custom",
    ),
    Endpoint(
        "owners",
        group=CRM,
        numbered="/crm/v3/owners",
        dated="/crm/owners/{version}",
        family="reference",
        paging=after(100),
        variants=WITH_ARCHIVED,
        scopes=("crm.objects.owners.read", "automation"),
        key="id",
        columns="id, email text:user, type, first_name, last_name, user_id integer,"
        " user_id_including_inactive integer, archived bool, teams json, created_at, updated_at",
        about="a person or team that records belong to",
        children=(
            Table(
                "owner_teams",
                "owner_id, team_id",
                "owner_id = ^id, team_id = id, team_name = name, is_primary bool = primary",
                rows="teams",
                about="a team of an owner",
            ),
        ),
    ),
    Endpoint(
        "pipelines",
        group=CRM,
        numbered="/crm/v3/pipelines/{object_path}",
        dated="/crm/pipelines/{version}/{object_path}",
        family="reference",
        per="object type",
        applies=lambda kind: kind.pipelines,
        scopes=("crm.objects.<type>.read",),
        key="object_type, id",
        columns="object_type = @object_type, id, label, display_order integer, archived bool,"
        " created_at, updated_at, object_type_id = @object_type_id",
        about="a pipeline of an object type",
        children=(
            Table(
                "pipeline_stages",
                "object_type, pipeline_id, id",
                "object_type = @object_type, pipeline_id = ^id, id, label,"
                " display_order integer, metadata json,"
                " probability double = metadata.probability, is_closed bool = metadata.isClosed,"
                " is_won bool:won = metadata, ticket_state = metadata.ticketState,"
                " write_permissions, archived bool, created_at, updated_at,"
                " object_type_id = @object_type_id",
                rows="stages",
                keeps=True,
                about="a stage of a pipeline",
            ),
        ),
    ),
    Endpoint(
        "properties",
        group=CRM,
        numbered="/crm/v3/properties",
        dated="/crm/properties/{version}",
        family="definitions",
        per="object type",
        scopes=("crm.objects.<type>.read", "crm.schemas.<type>.read"),
        in_every_load=True,
        own_reader=True,
        key="object_type, name",
        columns="object_type, name, label, type, field_type, group_name, description,"
        " calculated bool, has_unique_value bool, hidden bool, hubspot_defined bool,"
        " external_options bool, referenced_object_type, archived bool, created_at, updated_at,"
        " sensitivity = dataSensitivity",
        first_scope="object_type",
        about="a property of an object type",
        children=(
            Table(
                "property_options",
                "object_type, property, value",
                "object_type, property, value, label, display_order integer, hidden bool,"
                " description",
                rows="options",
                scope="object_type",
                about="a value that a property can have",
            ),
            Table(
                "_hs_columns",
                "table_name, property, column_name",
                "table_name, property, column_name, hubspot_type, label, since_at, policy",
                scope="table_name",
                about="a column of an object table, with the property in it",
            ),
        ),
    ),
    Endpoint(
        "association_labels",
        group=CRM,
        numbered="/crm/v4/associations/{segments}/labels",
        dated="/crm/associations/{version}/{segments}/labels",
        family="labels",
        budget="associations",
        per="pair",
        scopes=("crm.objects.<type>.read",),
        own_reader=True,
        key="pair, type_id",
        columns="pair, from_object_type, to_object_type, type_id integer, category, label",
        first_scope="pair",
        about="a label that links of two object types can have",
    ),
)
