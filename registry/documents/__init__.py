"""`server.json`, the description of an installable MCP server, in every schema revision: read, never trusted.

    values      what a document says, as frozen values
    reading     JSON of any revision (snake_case of July 2025 to camelCase of December 2025) to those values
    versions    order of version strings, by the official registry's rules

Pure: no database, no network, no Django. Above: `planning`, `sync`, the catalogue.
"""
