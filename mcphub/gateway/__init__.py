"""The data plane: an asyncio library that answers MCP requests from memory and has never heard of Django.

Above it: `mcphub.hub`, which hands it a `Snapshot` and the ports of `ports.py`. Below it: `mcphub.bus`,
`mcphub.directory`, `mcphub.errors`. Inside, imports only go down:
app > endpoints > router > methods > catalog, access, session, recorder > peer > links > upstreams > ports > values
(`snapshot`, `inventory`, `selector`, `principal`, `calls`) > jsonrpc > errors, tasks.
"""
