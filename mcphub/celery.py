"""The Celery app: jobs measured in tenths of seconds and more (reload, sync, sweeps), never calls.

Entry points import this module by name; `mcphub/__init__.py` stays empty, so that importing the data plane loads
neither Celery nor Django. Beat's schedules are rows (django-celery-beat) that an admin may edit; each app declares
its defaults in `tasks.py` and `schedule.py` makes the rows. Above: nothing. Below: the apps' `tasks.py`.
"""

from __future__ import annotations

import os

from celery import Celery
from celery.signals import task_postrun
from django.conf import settings

from mcphub.metrics.meter import count_job
from mcphub.worker import ConnectionStep

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mcphub.settings")

app = Celery("mcphub")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
task_postrun.connect(count_job)
if settings.REDIS_URL:
    # Without Redis the web process holds the connections itself and its worker thread only runs jobs.
    app.steps["worker"].add(ConnectionStep)
