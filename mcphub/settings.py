"""Every setting of the hub, once: read from the environment (and a `.env` file), with a default and a sentence.

Values that an admin changes while the hub runs are not here but in `servers.models.SystemSettings`. A value that
cannot be understood ends the start with one line (`env`). Above: everything that imports `django.conf.settings`.
"""

from __future__ import annotations

import hashlib
import secrets
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from mcphub import env, keyfile
from mcphub.errors import Misconfigured
from mcphub.version import VERSION

BASE_DIR = Path(__file__).resolve().parent.parent
#: Variables of this file count where the environment does not set them.
env.load_file(Path(".env").absolute())

# -- the machine and the door ----------------------------------------------------------------------------------------

#: Everything the hub writes lies in this folder.
MCPHUB_DATA_DIR = env.folder("MCPHUB_DATA_DIR", "./data")
#: Address to listen on; 0.0.0.0 for all of them.
HOST = env.text("HOST", "127.0.0.1")
#: Port to listen on.
PORT = env.whole("PORT", 3000, least=1, most=65535)
#: Path under which the hub is mounted, such as /hub; empty for the root.
BASE_PATH = "/" + env.text("BASE_PATH").strip("/") if env.text("BASE_PATH").strip("/") else ""
#: The address people and clients use; `install.baseUrl` in the system settings wins.
PUBLIC_URL = env.text("INSTALL_BASE_URL", f"http://localhost:{PORT}").rstrip("/")
#: Whether somebody chose that address.
PUBLIC_URL_GIVEN = bool(env.text("INSTALL_BASE_URL"))
#: Host names that requests may be addressed to; default: this machine's own, any when listening on all addresses.
HOSTS = env.words("ALLOWED_HOSTS")
#: Origins of foreign web pages that may call the hub (CORS).
ALLOWED_ORIGINS = env.words("ALLOWED_ORIGINS")
#: How many proxies stand before the hub and may be believed about the client's address; true means 1.
TRUST_PROXY = int(env.flag("TRUST_PROXY")) if not env.text("TRUST_PROXY").isdigit() else env.whole("TRUST_PROXY", 0)
#: Refuse everything that would change something.
READONLY = env.flag("READONLY")
#: Requests to the REST API per client address in 15 minutes; 0 for no limit.
API_RATE_LIMIT = env.whole("API_RATE_LIMIT", 600, least=0)
#: Serve the APIs and MCP, not the dashboard.
DISABLE_WEB = env.flag("DISABLE_WEB")
#: Django's debug pages, which show settings and code; never with NODE_ENV=production.
DEBUG = env.flag("DEBUG") and env.text("NODE_ENV") != "production"
#: Least level of the hub's own log lines.
LOG_LEVEL = env.choice("LOG_LEVEL", ("debug", "info", "warning", "error"), "info").upper()
#: Form of the lines on stdout: plain for people, json for machines that collect them (the servers' lines included).
LOG_FORMAT = env.choice("LOG_FORMAT", ("plain", "json"), "plain")
#: Who may read /metrics: nobody (off), holders of METRICS_TOKEN or an admin's credential (token), anyone (open).
METRICS = env.choice("METRICS", ("off", "token", "open"), "token")
#: A bearer token for /metrics alone, for Prometheus.
METRICS_TOKEN = env.text("METRICS_TOKEN")

# -- first start ----------------------------------------------------------------------------------------------------

#: An mcp_settings.json that is imported when the database is empty; None where there is none.
MCPHUB_SETTING_PATH = Path(env.text("MCPHUB_SETTING_PATH")).expanduser() if env.text("MCPHUB_SETTING_PATH") else None
#: Password of the first admin; generated and shown once where empty.
ADMIN_PASSWORD = env.text("ADMIN_PASSWORD")

# -- upstreams ------------------------------------------------------------------------------------------------------

#: How long one request to an upstream may take, in milliseconds, where the server does not say.
REQUEST_TIMEOUT_MS = env.whole(
    "REQUEST_TIMEOUT", env.whole("DEFAULT_REQUEST_TIMEOUT", 60_000, least=1, most=86_400_000), least=1, most=86_400_000
)
#: How long the first connection of an upstream may take, in milliseconds.
INIT_TIMEOUT_MS = env.whole("INIT_TIMEOUT", 300_000, least=1, most=86_400_000)
#: How many upstreams connect at the same time; 0 for no limit.
STARTUP_CONNECT_CONCURRENCY = env.whole("STARTUP_CONNECT_CONCURRENCY", 8, least=0, most=1000)
#: The only variables of the hub's environment that `${NAME}` in an admin's server entry may read; `*` is a wildcard.
#: The hub's own secrets (below) are never readable. Default: everything else.
MCPHUB_EXPANDABLE = env.words("MCPHUB_EXPANDABLE", ["*"])

# -- registry -------------------------------------------------------------------------------------------------------

#: A Supabase project that gets a copy of the catalogue: its address and service key (PostgREST) ...
SUPABASE_URL = env.text("SUPABASE_URL").rstrip("/")
SUPABASE_SERVICE_KEY = env.text("SUPABASE_SERVICE_KEY")
#: ... or its database; where both are set the database is written to.
SUPABASE_DB_URL = env.text("SUPABASE_DB_URL")
#: The table there.
SUPABASE_TABLE = env.text("SUPABASE_TABLE", "mcp_registry")
#: Copy after each change of the catalogue.
SUPABASE_AUTO_SYNC = env.flag("SUPABASE_AUTO_SYNC")
#: Never ask whether there is a newer version of the hub.
DISABLE_UPDATE_CHECK = env.flag("DISABLE_UPDATE_CHECK")
#: Where the hub's releases are told: an address that answers in the changelog's form; empty for none.
CHANGELOG_URL = env.text("CHANGELOG_URL")

# -- storage --------------------------------------------------------------------------------------------------------

#: postgresql:// address; SQLite in the data folder where empty. DB_URL is the original's name for it.
DATABASE_URL = env.text("DATABASE_URL", env.text("DB_URL"))
#: Most connections one process opens to PostgreSQL.
DB_POOL_SIZE = env.whole("DB_POOL_SIZE", 10, least=1, most=500)
#: redis:// address of cache, Channels, Celery and bus; in memory of this process where empty.
REDIS_URL = env.text("REDIS_URL")


def _database(url: str) -> dict[str, Any]:
    """Django's description of the database at an address."""
    if not url:
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": MCPHUB_DATA_DIR / "mcphub.sqlite3",
            # Kept open: opening costs more than most queries; each thread has its own.
            "CONN_MAX_AGE": None,
            "OPTIONS": {
                "timeout": 20,
                # A transaction that will write takes the lock at its start; upgrading later fails without waiting.
                "transaction_mode": "IMMEDIATE",
                # Up to 16 MB wait beside the file, so that pages which many batches of calls change are carried once.
                "init_command": (
                    "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA mmap_size=134217728; "
                    "PRAGMA wal_autocheckpoint=4000; PRAGMA temp_store=MEMORY;"
                ),
            },
            # A file as well: threads share it as they do in earnest, which they cannot with a database in memory.
            "TEST": {"NAME": MCPHUB_DATA_DIR / f"test-{secrets.token_hex(4)}.sqlite3"},
        }
    parts = urlsplit(url)
    if parts.scheme not in ("postgres", "postgresql") or not parts.path.strip("/"):
        raise Misconfigured("DATABASE_URL must look like postgresql://user:password@host:5432/name.")
    query = dict(pair.partition("=")[::2] for pair in parts.query.split("&") if pair)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.strip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname or "",
        "PORT": str(parts.port or ""),
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {
            "pool": {"min_size": 1, "max_size": DB_POOL_SIZE, "timeout": 10, "max_idle": 300},
            **{key: unquote(value) for key, value in query.items()},
        },
    }


DATABASES = {"default": _database(DATABASE_URL)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

CACHES: dict[str, dict[str, Any]] = {
    "default": {
        "BACKEND": "mcphub.cache.PatientCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "mcphub",
        "OPTIONS": {"socket_timeout": 2, "socket_connect_timeout": 2},
    }
    if REDIS_URL
    else {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "OPTIONS": {"MAX_ENTRIES": 50_000}}
}
CHANNEL_LAYERS: dict[str, dict[str, Any]] = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [REDIS_URL], "prefix": "mcphub.channels"},
    }
    if REDIS_URL
    else {"BACKEND": "channels.layers.InMemoryChannelLayer"}
}

CELERY_BROKER_URL = REDIS_URL or "memory://localhost//"
# The default second between two looks at the memory broker makes every job feel dead.
CELERY_BROKER_TRANSPORT_OPTIONS = {"global_keyprefix": "mcphub."} if REDIS_URL else {"polling_interval": 0.05}
CELERY_RESULT_BACKEND = REDIS_URL or "cache+memory://"
CELERY_RESULT_EXPIRES = 3600
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_TRACK_STARTED = True
CELERY_TASK_DEFAULT_QUEUE = "mcphub"
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"
#: What beat starts with; rows in the database, where an admin may change them, win.
CELERY_BEAT_SCHEDULE: dict[str, dict[str, Any]] = {
    "remove old activities": {"task": "activities.apply_retention", "schedule": 600.0, "options": {"expires": 600}},
    "watch over the servers": {"task": "mcphub.keep_watch", "schedule": 30.0, "options": {"expires": 30}},
}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
# Workers hold upstream connections (mcphub.worker), which forked children would not see.
CELERY_WORKER_POOL = "threads"
CELERY_TIMEZONE = "UTC"

# -- secrets --------------------------------------------------------------------------------------------------------

#: Signs browser sessions and forms; made at first use where empty.
SECRET_KEY = env.text("SECRET_KEY") or keyfile.text_of(
    MCPHUB_DATA_DIR / "signing.key", lambda: secrets.token_urlsafe(48)
)
#: Signs dashboard tokens; derived from the signing key where empty.
JWT_SECRET = env.text("JWT_SECRET") or hashlib.sha256(f"mcphub dashboard tokens {SECRET_KEY}".encode()).hexdigest()
#: Keys that seal stored secrets (32 bytes in base64, comma-separated; the first seals, all open); else the key file.
MCPHUB_ENCRYPTION_KEYS = env.words("MCPHUB_ENCRYPTION_KEY", env.words("MCPHUB_CREDENTIAL_ENCRYPTION_KEY"))
#: Made at first use where no key is configured; keep a copy apart from the database's.
MCPHUB_KEY_FILE = MCPHUB_DATA_DIR / "encryption.keys"

# -- Django ---------------------------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "mcphub",
    "accounts",
    "activities",
    "servers",
    "registry",
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "channels",
    "django_celery_beat",
    "django_filters",
    "django_htmx",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "rest_framework",
]
MIDDLEWARE = [
    "mcphub.api.gates.identified",
    "mcphub.api.gates.mounted",
    "mcphub.api.gates.as_sent",
    "mcphub.api.gates.cross_origin",
    "mcphub.web.gates.guarded",
    "mcphub.web.gates.compressed",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]
ROOT_URLCONF = "mcphub.urls"
ASGI_APPLICATION = "mcphub.asgi.application"
FORCE_SCRIPT_NAME = BASE_PATH or None
APPEND_SLASH = False
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

AUTH_USER_MODEL = "accounts.User"
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    # Verifies the bcrypt hashes of imported settings files; the next sign-in replaces them.
    "accounts.hashers.ImportedBcryptHasher",
]
AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend"]
LOGIN_URL = "sign-in"
#: A failed sign-in takes a whole multiple of this, in seconds, so that its time tells nothing of the account.
SIGN_IN_PACE = 0.5

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = True


def _edition() -> str:
    """A name for the static files as they are now; it changes when one of them, or a library, does."""
    digest = hashlib.sha256((BASE_DIR / "requirements.txt").read_bytes())
    for file in sorted((BASE_DIR / "static").rglob("*")):
        if file.is_file():
            digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


# The edition is part of the address, so browsers may keep what they loaded for ever.
STATIC_URL = f"{BASE_PATH}/static/{_edition()}/"
STATICFILES_DIRS = [BASE_DIR / "static"]
# Serves from the apps' folders as they are: nothing to collect before the first start.
WHITENOISE_USE_FINDERS = True
WHITENOISE_IMMUTABLE_FILE_TEST = r"."

#: Reads the system settings that the REST glue obeys (see `mcphub.api.switches`).
API_SWITCHES = "servers.settings_reader.api_switches"
#: Reads the system settings that the activities app obeys (see `activities.settings_reader`).
ACTIVITY_SWITCHES = "servers.settings_reader.activity_switches"
#: Counts the numbers beside entries of the dashboard's side bar (see `mcphub.web.navigation`).
DASHBOARD_COUNTS = {"servers": "servers.attention.count_needs", "groups": "servers.attention.count_groups"}
REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["accounts.api.authentication.HubAuthentication"],
    "DEFAULT_SCHEMA_CLASS": "mcphub.api.documents.HubSchema",
    "UNAUTHENTICATED_USER": None,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "MCPHub",
    "DESCRIPTION": "Everything the dashboard can do, and more. MCP itself is spoken at /mcp and is not described here.",
    "VERSION": VERSION,
    "OAS_VERSION": "3.1.0",
    "SCHEMA_PATH_PREFIX": "/api",
    "POSTPROCESSING_HOOKS": ["mcphub.api.documents.complete"],
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    # Without this the viewer asks a host of its makers whether the description is valid.
    "SWAGGER_UI_SETTINGS": {"deepLinking": True, "validatorUrl": None},
    "SERVE_PUBLIC": True,
}

#: The admin: back-office beside the dashboard, in its colours.
UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "MCPHub",
    "SITE_HEADER": "MCPHub",
    "SITE_SUBHEADER": "Back-office",
    "SITE_URL": f"{BASE_PATH}/dashboard",
    "SITE_SYMBOL": "hub",
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "COLORS": {
        "primary": {
            "50": "#ebeffd", "100": "#dce3fb", "200": "#bccaf7", "300": "#a3b8ff", "400": "#8aa5ff", "500": "#5b77e6",
            "600": "#3855d1", "700": "#2c46b8", "800": "#243992", "900": "#1c2540", "950": "#141a2e",
        },
    },
    "SIDEBAR": {"show_search": True},
}  # fmt: skip

# -- browsers -------------------------------------------------------------------------------------------------------

_public = urlsplit(PUBLIC_URL)
_is_https = _public.scheme == "https"
_everywhere = HOST in ("0.0.0.0", "::", "")  # noqa: S104 (compared, not bound)
ALLOWED_HOSTS = HOSTS or (
    ["*"] if _everywhere else ["localhost", "127.0.0.1", "[::1]", *filter(None, {_public.hostname, HOST})]
)
CSRF_TRUSTED_ORIGINS = [origin for origin in (f"{_public.scheme}://{_public.netloc}",) if _is_https]
SESSION_COOKIE_NAME = "mcphub_session"
SESSION_COOKIE_SECURE = _is_https
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_NAME = "mcphub_csrf"
CSRF_COOKIE_SECURE = _is_https
CSRF_COOKIE_SAMESITE = "Lax"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUST_PROXY else None
SECURE_HSTS_SECONDS = 31_536_000 if _is_https else 0
# The hub speaks plain HTTP to a proxy or to this machine: redirecting (W008) is the proxy's, subdomains (W005) and
# preloading (W021) are the domain owner's. Without https in the public address the cookie checks have no object.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W008", "security.W021"] + (
    [] if _is_https else ["security.W004", "security.W012", "security.W016"]
)
DATA_UPLOAD_MAX_MEMORY_SIZE = None  # `routing.jsonBodyLimit` decides, per request

LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"()": "mcphub.lines.PlainFormatter"}, "json": {"()": "mcphub.lines.json_formatter"}},
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "formatter": LOG_FORMAT,
            "stream": "ext://sys.stdout" if LOG_FORMAT == "json" else "ext://sys.stderr",
        },
        "book": {"class": "activities.logs.BookHandler"},
    },
    "root": {"handlers": ["console", "book"], "level": LOG_LEVEL},
    "filters": {"outage": {"()": "mcphub.lines.OutageFilter"}},
    "loggers": {
        # The servers' lines are in the book already.
        "mcphub.servers": {"handlers": ["console"], "level": "DEBUG", "propagate": False},
        "channels_redis.pubsub": {"filters": ["outage"]},
    },
}
