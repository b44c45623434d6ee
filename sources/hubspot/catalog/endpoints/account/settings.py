"""What the portal's settings say: users, roles, teams, currencies, taxes, meeting links, brands."""

from ...apis import SPRING_2026
from ..declaration import DAY, TWELVE_HOURS, Endpoint, Parents, Table
from ..paging import after

SETTINGS = "settings"
_USERS, _USERS_DATED = "/settings/v3/users", f"/settings/users/{SPRING_2026}"
_MONEY, _MONEY_DATED = "/settings/v3/currencies", "/settings/currencies/{version}"
_USER_SCOPES = ("settings.users.read", "crm.objects.users.read")
_MONEY_SCOPES = ("settings.currencies.read",)

ENDPOINTS = (
    Endpoint(
        "account_users",
        group=SETTINGS,
        numbered=_USERS,
        dated=_USERS_DATED,
        paging=after(100),
        due=TWELVE_HOURS,
        scopes=_USER_SCOPES,
        key="id",
        columns="id, email text:user, first_name, last_name, role_id, primary_team_id,"
        " super_admin bool, seat_names json, send_welcome_email bool",
        about="a person with access to the portal",
        children=(
            Table(
                "account_user_roles",
                "user_id, role_id",
                "user_id = ^id, role_id = .",
                rows="roleIds",
                about="a role of a user",
            ),
            Table(
                "account_user_teams",
                "user_id, team_id",
                "user_id = ^id, team_id = ., is_primary bool = ?primaryTeamId",
                rows="primaryTeamId | secondaryTeamIds",
                about="a team that a user is in",
            ),
        ),
    ),
    Endpoint(
        "roles",
        group=SETTINGS,
        numbered=f"{_USERS}/roles",
        dated=f"{_USERS_DATED}/roles",
        due=TWELVE_HOURS,
        scopes=_USER_SCOPES,
        key="id",
        columns="id, name, requires_billing_write bool",
        about="a set of permissions",
    ),
    Endpoint(
        "teams",
        group=SETTINGS,
        numbered=f"{_USERS}/teams",
        dated=f"{_USERS_DATED}/teams",
        due=TWELVE_HOURS,
        scopes=("settings.users.teams.read",),
        key="id",
        columns="id, name, parent_team_id",
        about="a team of users",
        children=(
            Table(
                "team_users",
                "team_id, user_id",
                "team_id = ^id, user_id = ., is_secondary bool = ?secondaryUserIds",
                rows="userIds | secondaryUserIds",
                about="a member of a team",
            ),
        ),
    ),
    Endpoint(
        "exchange_rates",
        group=SETTINGS,
        numbered=f"{_MONEY}/exchange-rates",
        dated=f"{_MONEY_DATED}/exchange-rates",
        paging=after(100),
        due=TWELVE_HOURS,
        scopes=_MONEY_SCOPES,
        key="id",
        columns="id, from_currency_code, to_currency_code, conversion_rate double, effective_at,"
        " visible_in_ui bool = visibleInUI, created_at, updated_at",
        about="a rate between two currencies, from a day on",
    ),
    Endpoint(
        "currency_codes",
        group=SETTINGS,
        numbered=f"{_MONEY}/codes",
        dated=f"{_MONEY_DATED}/codes",
        due=TWELVE_HOURS,
        scopes=_MONEY_SCOPES,
        key="currency_code",
        columns="currency_code, currency_name",
        about="a currency that HubSpot knows",
    ),
    Endpoint(
        "company_currency",
        group=SETTINGS,
        numbered=f"{_MONEY}/company-currency",
        dated=f"{_MONEY_DATED}/company-currency",
        rows=".",
        due=TWELVE_HOURS,
        scopes=_MONEY_SCOPES,
        key="id",
        columns="id, currency_code, created_at",
        about="the currency of the company",
    ),
    Endpoint(
        "tax_rates",
        group=SETTINGS,
        numbered="/tax-rates/v1/tax-rates",
        dated="/tax-rates/{version}/tax-rates",
        paging=after(100),
        variants=({"active": "true"}, {"active": "false"}),
        due=TWELVE_HOURS,
        scopes=("tax_rates.read",),
        key="id",
        columns="id, name, label, percentage_rate double, active bool, created_at, updated_at",
        about="a tax rate",
    ),
    Endpoint(
        "meeting_links",
        group=SETTINGS,
        numbered="/scheduler/v3/meetings/meeting-links",
        dated="/scheduler/{version}/meetings/meeting-links",
        paging=after(100),
        due=DAY,
        scopes=("scheduler.meetings.meeting-link.read",),
        key="id",
        columns="id, name, slug, link, type, organizer_user_id, default_link bool,"
        " payment_link_id, created_at, updated_at",
        about="a page where people book meetings",
        children=(
            Table(
                "meeting_link_members",
                "meeting_link_id, user_id",
                "meeting_link_id = ^id, user_id = .",
                rows="userIdsOfLinkMembers",
                about="a user who can be booked on such a page",
            ),
        ),
    ),
    Endpoint(
        "business_unit_users",
        group=SETTINGS,
        numbered="/business-units/v3/business-units/user/{user_id}",
        dated="/business-units/public/{version}/business-units/user/{user_id}",
        params={"properties": "logoMetadata"},
        per=Parents("account_users", {"user_id": "id"}),
        due=DAY,
        scopes=("business_units_view.read",),
        tier="the add-on for brands",
        key="business_unit_id, user_id",
        columns="business_unit_id = id, user_id = @user_id",
        about="a user who works for a brand",
        children=(
            Table(
                "business_units",
                "id",
                "id = ^id, name, logo json = logoMetadata",
                rows=".",
                about="a brand (business unit)",
            ),
        ),
    ),
)
