"""Pages about what happened: calls, the log, the audit. They translate; `readings`, `filters` and `actions` answer."""
