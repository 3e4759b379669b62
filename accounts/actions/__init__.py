"""Every change to users and keys. Each action is atomic, takes `actor` by keyword, and tells `mcphub.changes`.

Above: the API, the admin, the dashboard, the commands. Below: `policies`, `passwords`, `models`.
"""

from accounts.actions.keys import Token, change_key, create_key, import_key, note_use, rename_in_keys, revoke_key
from accounts.actions.sign_in import sign_in, unlock
from accounts.actions.users import (
    RESERVED_NAMES,
    FirstAdmin,
    change_password,
    change_user,
    create_user,
    delete_user,
    ensure_first_admin,
    import_user,
    register_user,
)

__all__ = [
    "RESERVED_NAMES",
    "FirstAdmin",
    "Token",
    "change_key",
    "change_password",
    "change_user",
    "create_key",
    "create_user",
    "delete_user",
    "ensure_first_admin",
    "import_key",
    "import_user",
    "note_use",
    "register_user",
    "rename_in_keys",
    "revoke_key",
    "sign_in",
    "unlock",
]
