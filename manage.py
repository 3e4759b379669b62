#!/usr/bin/env python
"""The command line of the hub: `manage.py runhub` starts it, `manage.py help` lists the rest."""

from __future__ import annotations

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mcphub.settings")
    # Imported here, after the settings module is named: importing Django's commands reads it.
    from django.core.management import execute_from_command_line

    from mcphub.errors import Misconfigured

    try:
        execute_from_command_line(sys.argv)
    except Misconfigured as refused:
        sys.exit(f"{refused.message}")


if __name__ == "__main__":
    main()
