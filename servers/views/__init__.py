"""Pages of the hub as a whole, of servers and of groups. Views translate: actions and readings know."""
