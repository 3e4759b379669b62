"""Pages about people: signing in and out, users. They translate; `accounts.actions` decides."""
