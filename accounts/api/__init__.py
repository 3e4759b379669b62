"""REST routes of users, sign-in and bearer keys. Above: `mcphub.urls`. Below: `actions`, `mcphub.api`."""
