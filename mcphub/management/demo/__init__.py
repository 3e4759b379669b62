"""A hub full of believable things, for looking at it, for pictures and for tests: `manage.py demo`.

    catalogue   the servers, what they offer, how they behave
    program     one program that is all of them: over stdio, or several at once over HTTP
    people      users, keys, groups
    history     thirty days of calls
    filling     more rows of everything, to see long lists

Nothing of it is imported by the hub itself.
"""
