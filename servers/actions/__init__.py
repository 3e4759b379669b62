"""Every change to what exists. Each action is atomic, takes `actor` by keyword, and tells `mcphub.changes`.

Above: the API, the admin, the dashboard, the commands, `settings_file`. Below: `lookups`, `config`, `models`.
"""

from servers.actions.builtins import (
    add_prompt,
    add_resource,
    change_prompt,
    change_resource,
    remove_prompt,
    remove_resource,
)
from servers.actions.bundles import Kept, keep_bundle
from servers.actions.groups import (
    CHANGEABLE,
    add_group,
    add_groups,
    add_member,
    change_group,
    change_member,
    import_group,
    remove_group,
    remove_member,
    set_members,
    visible_members,
)
from servers.actions.items import describe_item, reset_item, set_item_enabled
from servers.actions.servers import (
    Outcome,
    add_server,
    add_servers,
    change_server,
    import_server,
    move_server,
    reload_server,
    remove_server,
    set_user_switch,
    toggle_server,
)
from servers.actions.system import change_settings
from servers.actions.upkeep import forget_tokens, reinstall_server

__all__ = [
    "CHANGEABLE",
    "Kept",
    "Outcome",
    "add_group",
    "add_groups",
    "add_member",
    "add_prompt",
    "add_resource",
    "add_server",
    "add_servers",
    "change_group",
    "change_member",
    "change_prompt",
    "change_resource",
    "change_server",
    "change_settings",
    "describe_item",
    "forget_tokens",
    "import_group",
    "import_server",
    "keep_bundle",
    "move_server",
    "reinstall_server",
    "reload_server",
    "remove_group",
    "remove_member",
    "remove_prompt",
    "remove_resource",
    "remove_server",
    "reset_item",
    "set_item_enabled",
    "set_members",
    "set_user_switch",
    "toggle_server",
    "visible_members",
]
