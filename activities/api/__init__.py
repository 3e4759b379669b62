"""The REST routes of what happened: activities, audit, log."""
