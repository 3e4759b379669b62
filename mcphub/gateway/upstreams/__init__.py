"""Connections to MCP servers: one class per transport behind `base.Upstream`, kept by `supervisor.Supervisor`."""
