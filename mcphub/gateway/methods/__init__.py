"""The MCP methods. Each takes an `Inquiry` and returns the encoded result object; refusals are raised.

Above: `router`. Below: `inquiry`, `catalog`.
"""
