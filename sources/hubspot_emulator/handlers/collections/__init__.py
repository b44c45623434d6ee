"""Everything that is no CRM record: one handler of all endpoints that collections declare."""
