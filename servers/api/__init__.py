"""REST routes of settings, servers and groups. Above: `mcphub.urls`. Below: `actions`, `readings`, `mcphub.api`."""
