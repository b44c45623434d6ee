"""Who works in the portal: users of the account, their roles and teams."""

from .declaration import TWELVE_HOURS, Endpoint, Table, after

GROUP = "settings"
USERS = ("settings.users.read", "crm.objects.users.read")
ENDPOINTS = (
    Endpoint(
        "account_users",
        group=GROUP,
        numbered="/settings/v3/users",
        dated="/settings/users/{version}",
        paging=after(100),
        due=TWELVE_HOURS,
        scopes=USERS,
        tables=(
            Table(
                "account_users",
                "id",
                "id, email text:user, first_name, last_name, role_id, primary_team_id,"
                " super_admin bool, seat_names json, send_welcome_email bool",
            ),
            Table(
                "account_user_roles",
                "user_id, role_id",
                "user_id = ^id, role_id = .",
                rows="roleIds",
            ),
            Table(
                "account_user_teams",
                "user_id, team_id",
                "user_id = ^id, team_id = ., is_primary bool = ?primaryTeamId",
                rows="primaryTeamId | secondaryTeamIds",
            ),
        ),
    ),
    Endpoint(
        "roles",
        group=GROUP,
        numbered="/settings/v3/users/roles",
        dated="/settings/users/{version}/roles",
        due=TWELVE_HOURS,
        scopes=USERS,
        tables=(Table("roles", "id", "id, name, requires_billing_write bool"),),
    ),
    Endpoint(
        "teams",
        group=GROUP,
        numbered="/settings/v3/users/teams",
        dated="/settings/users/{version}/teams",
        due=TWELVE_HOURS,
        scopes=("settings.users.teams.read",),
        tables=(
            Table("teams", "id", "id, name, parent_team_id"),
            Table(
                "team_users",
                "team_id, user_id",
                "team_id = ^id, user_id = ., is_secondary bool = ?secondaryUserIds",
                rows="userIds | secondaryUserIds",
            ),
        ),
    ),
)
