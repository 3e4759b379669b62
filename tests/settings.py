"""The hub's own settings with a data folder of the test run, on the database that `TEST_DATABASE` names.

`TEST_DATABASE=postgresql://…` runs the control plane's tests on PostgreSQL instead of SQLite. Nothing else differs.
"""

import atexit
import os
import shutil
import tempfile

_folder = tempfile.mkdtemp(prefix="mcphub-tests-")
atexit.register(shutil.rmtree, _folder, ignore_errors=True)
os.environ["MCPHUB_DATA_DIR"] = _folder
# What the developer's shell or .env file sets is meant for a hub that runs, not for tests.
for _name in ("DATABASE_URL", "DB_URL", "REDIS_URL", "BASE_PATH", "READONLY", "MCPHUB_SETTING_PATH", "ADMIN_PASSWORD"):
    os.environ[_name] = ""
os.environ["DATABASE_URL"] = os.environ.get("TEST_DATABASE", "")

from mcphub.settings import *  # noqa: E402, F403

#: Tests of many failed sign-ins would wait for nothing.
SIGN_IN_PACE = 0.0
