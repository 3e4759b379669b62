"""Mirroring another MCP registry: its documents first as they were sent, then as entries.

    client      one polite conversation with a registry: pages, back-off, limits
    rows        a list item as received, read as far as the mirror needs
    mirror      items into versions; which version of a name is the latest
    harvest     stored versions into entries, with the admins' edits kept
    lease       one run at a time for each source, whatever dies
    report      what a run did and what it could not use
    passes      a run: full or delta, resumed where another one ended

Above: actions' jobs, the admin, the commands. Below: `documents`, `models`, `search`, `web`.
"""
