"""Django settings. Everything that differs between places comes from `MCP_*` variables (docs/operating.md lists them).

Two ways to run, one code: *embedded* (SQLite in WAL mode, web, worker and beat in one process, in-memory broker) is the
default; setting `MCP_DATABASE_URL` and `MCP_BROKER_URL` makes it PostgreSQL and Redis or RabbitMQ with separate processes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dj_database_url

from mcp.environment import Environment

BASE_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = Environment().path("MCP_VAR_DIR", BASE_DIR / "var")
# Below the environment lies a file of settings, so that `make up` and every `./manage.py` after it agree on the secrets.
env = Environment.with_file(VAR_DIR / "settings.env")
IMAGE_DIR = env.path("MCP_IMAGE_DIR", VAR_DIR / "images")

# "production" refuses unsafe defaults (mcp/checks.py); "embedded" is one person on one machine.
MODE = env.text("MCP_MODE", "embedded")
DEBUG = env.flag("MCP_DEBUG")
INSECURE_KEY = "embedded-only-" + "0" * 50
SECRET_KEY = env.text("MCP_SECRET_KEY", INSECURE_KEY)
# Fernet keys, newest first: the first encrypts, all decrypt, so that keys can be rotated.
FIELD_KEYS = env.names("MCP_FIELD_KEYS")
ALLOWED_HOSTS = env.names("MCP_ALLOWED_HOSTS", "127.0.0.1,localhost,[::1]")
CSRF_TRUSTED_ORIGINS = env.names("MCP_CSRF_TRUSTED_ORIGINS")
PUBLIC_URL = env.text("MCP_URL", "http://127.0.0.1:8000")

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_htmx",
    "mcp.health",
    "mcp.operations",
    "mcp.events",
    "mcp.api",
    "mcp.web",
    "accounts",
    "pods",
    "accelerators",
]

MIDDLEWARE = [
    "mcp.logs.RequestIdMiddleware",
    "mcp.health.middleware.RequestMetricsMiddleware",
    "mcp.web.middleware.SecurityHeaders",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "mcp.web.middleware.ErrorPages",
]

ROOT_URLCONF = "mcp.urls"
WSGI_APPLICATION = "mcp.wsgi.application"
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "accounts.web.context.whoami",
            ],
        },
    }
]

DATABASE_URL = env.text("MCP_DATABASE_URL", f"sqlite:///{VAR_DIR / 'mcp.sqlite3'}")
DATABASES: dict[str, Any] = {"default": dj_database_url.parse(DATABASE_URL)}
SQLITE = DATABASES["default"]["ENGINE"].endswith("sqlite3")
if SQLITE:
    DATABASES["default"]["OPTIONS"] = {
        # A writer takes its lock at BEGIN, so "read, decide, write" cannot race and never fails half-way with SQLITE_BUSY.
        "transaction_mode": "IMMEDIATE",
        "timeout": 30,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON;",
    }
    DATABASES["default"]["CONN_MAX_AGE"] = None
else:
    # Statement and lock limits: no wait without an end, on the database either.
    DATABASES["default"].setdefault("OPTIONS", {})
    DATABASES["default"]["OPTIONS"].setdefault(
        "options", "-c lock_timeout=20000 -c statement_timeout=60000 -c idle_in_transaction_session_timeout=60000"
    )
    DATABASES["default"]["CONN_MAX_AGE"] = int(env.number("MCP_CONN_MAX_AGE", 300))
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True

BROKER_URL = env.text("MCP_BROKER_URL", "memory://")
EMBEDDED = BROKER_URL.startswith("memory://")
CACHE_URL = env.text("MCP_CACHE_URL", BROKER_URL if BROKER_URL.startswith("redis") else "")
CACHES: dict[str, Any] = {
    "default": (
        {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": CACHE_URL, "KEY_PREFIX": "mcp"}
        if CACHE_URL
        else {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "mcp"}
    )
}

AUTH_USER_MODEL = "accounts.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
LOGIN_URL = "/sign-in/"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/sign-in/"
CSRF_FAILURE_VIEW = "mcp.web.errors.csrf_failure"
SIGN_IN_TRIES_PER_MINUTE = int(env.number("MCP_SIGN_IN_TRIES", 8, 1))

HTTPS = PUBLIC_URL.startswith("https://")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
# Only behind a proxy of ours may the X-Forwarded-* headers be believed.
BEHIND_PROXY = env.flag("MCP_BEHIND_PROXY")
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if BEHIND_PROXY else None
X_FRAME_OPTIONS = "DENY"

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = True
FORMAT_MODULE_PATH = ["mcp.formats"]
STATIC_URL = "/static/"
STATIC_ROOT = VAR_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "mcp" / "static"]
WHITENOISE_USE_FINDERS = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
APPEND_SLASH = False
DATA_UPLOAD_MAX_MEMORY_SIZE = 1_048_576
TEST_RUNNER = "django.test.runner.DiscoverRunner"

REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["accounts.api.authentication.ApiKeyAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["mcp.api.parsers.BoundedJSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_PAGINATION_CLASS": "mcp.api.paging.KeysetPagination",
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "EXCEPTION_HANDLER": "mcp.api.problems.handle",
    "UNAUTHENTICATED_USER": None,
    "DATETIME_FORMAT": "iso-8601",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}

SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "MCP",
    "VERSION": "1",
    "DESCRIPTION": (
        "A self-service cloud. Send `Authorization: Bearer KEY`. Times are RFC 3339 in UTC, ids are UUIDs, and where a path "
        "takes an id it also takes a name. Lists answer `results`, `next` and `previous`; follow the addresses as they are. "
        "Errors are RFC 9457 problem documents whose `code` never changes. What takes time answers 202 with the resource, its "
        "`operation` embedded, and the operation's address in `Location`; `Prefer: wait=N` holds the answer until it has ended. "
        "Every POST takes an `Idempotency-Key`, every change `?dry_run=true`."
    ),
    "SERVE_INCLUDE_SCHEMA": False,
    "ENUM_NAME_OVERRIDES": {
        "AcceleratorState": "accelerators.states.State",
        "OperationState": "mcp.operations.states.OperationState",
        "StepState": "mcp.operations.states.StepState",
        "PodState": "pods.states.PodState",
        "HostState": "pods.states.HostState",
        "SpotUse": "pods.states.SpotUse",
        "PreemptReason": "accelerators.states.PreemptReason",
        "HostDuty": "pods.states.HostDuty",
        "MoveRunState": "pods.states.MoveRunState",
        "MoveState": "pods.states.MoveState",
        "WindowDuty": ["maintenance", "draining"],
        "WindowState": "pods.states.WindowState",
        "FindingState": "pods.states.FindingState",
        "FindingKind": "pods.states.FindingKind",
        "AccountState": "accounts.models.Account.State",
        "ImageState": "pods.models.Image.State",
        "Role": "accounts.permissions.Role",
        "Spread": "pods.models.allocation.Spread",
        "PlacementPolicy": "accelerators.models.accelerator.POLICY",
        "Kind": ["zone", "vm"],
        "Power": ["running", "stopped", "unknown"],
    },
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "SCHEMA_PATH_PREFIX": r"/api/v1",
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
}

# --- the operations engine (docs/operations.md) ---------------------------------------------------------------------
OPERATIONS: dict[str, float] = {
    "lease_s": env.number("MCP_LEASE_S", 15, 0.5),
    "heartbeat_s": env.number("MCP_HEARTBEAT_S", 4, 0.1),
    "sweep_s": env.number("MCP_SWEEP_S", 2, 0.1),
    # A step that fails for passing reasons (a machine does not answer) is tried again for this long, then asks for a person.
    "patience_s": env.number("MCP_PATIENCE_S", 900, 1),
    "backoff_first_s": env.number("MCP_BACKOFF_FIRST_S", 0.5, 0),
    "backoff_most_s": env.number("MCP_BACKOFF_MOST_S", 20, 0),
}
# How many operations may run at once in one lane; a Lane row overrides its default.
LANE_DEFAULTS: dict[str, int] = {
    "host": int(env.number("MCP_LANE_HOST", 8, 1)),
    "pod": int(env.number("MCP_LANE_POD", 64, 1)),
    "account": int(env.number("MCP_LANE_ACCOUNT", 32, 1)),
}
WORKER_THREADS = int(env.number("MCP_WORKER_THREADS", 12, 1))
# The queues of the worker inside the web process; separate workers are told with `celery worker -Q` instead.
WORKER_QUEUES = env.names("MCP_WORKER_QUEUES", "mcp")
# What the clock starts (sweeps, heartbeats, reconciling) has a queue and threads of its own: operations that hang on a dead
# host must not keep anybody from noticing that it is dead. Three kinds of rounds may hold a thread each for long.
WATCH_QUEUE = "mcp.watch"
WATCH_THREADS = int(env.number("MCP_WATCH_THREADS", 6, 4))

# --- keeping true ---------------------------------------------------------------------------------------------------
HEARTBEAT_PERIOD_S = env.number("MCP_HOST_HEARTBEAT_S", 10, 0.5)
HOST_UNREACHABLE_AFTER = int(env.number("MCP_HOST_UNREACHABLE_AFTER", 3, 1))
RECONCILE_PERIOD_S = env.number("MCP_RECONCILE_S", 30, 0.5)
TRASH_DAYS = env.number("MCP_TRASH_DAYS", 7)
ADDRESS_QUARANTINE_S = env.number("MCP_ADDRESS_QUARANTINE_S", 600)
# How old the fleet may be that a claim plans on first (0: always read anew), and how old before all of it is read again.
PLACEMENT_REFRESH_S = env.number("MCP_PLACEMENT_REFRESH_S", 0.5)
PLACEMENT_RELOAD_S = env.number("MCP_PLACEMENT_RELOAD_S", 60)
# For how long a host on which guests failed is avoided.
MISHAPS_REMEMBERED_S = env.number("MCP_MISHAPS_REMEMBERED_S", 3600)
# Preemptible accelerators: how long before they are told that they will be stopped, how long a clean stop may take, and how
# often it is looked whether somebody must leave or may come back.
PREEMPT_NOTICE_S = env.number("MCP_PREEMPT_NOTICE_S", 120)
PREEMPT_STOP_S = 40.0
PREEMPT_LOOK_S = 15.0
# Moves between hosts: how quickly a copy goes (for estimates), how many may leave or arrive at one host at once, and how
# often runs of moves and maintenance windows are looked after.
MOVE_MIB_PER_S = env.number("MCP_MOVE_MIB_PER_S", 100, 0.1)
MOVES_PER_HOST = int(env.number("MCP_MOVES_PER_HOST", 2, 1))
MOVES_LOOK_S = env.number("MCP_MOVES_LOOK_S", 2, 0.1)
# How long refused requests are kept, and how many of them.
REFUSALS_KEPT_DAYS = env.number("MCP_REFUSALS_KEPT_DAYS", 30)
REFUSALS_KEPT = int(env.number("MCP_REFUSALS_KEPT", 10_000))
# How old the sums over the fleet may be that pages and metrics show (0: always read anew).
SUMS_S = env.number("MCP_SUMS_S", 10, 0)
THROTTLE_PER_MINUTE: dict[str, int] = {
    "read": int(env.number("MCP_THROTTLE_READ", 1200, 1)),
    "write": int(env.number("MCP_THROTTLE_WRITE", 300, 1)),
}
# Long answers (Prefer: wait, event streams) that one process holds at once (fewer than it has threads), and how long a
# stream lasts.
HELD_ANSWERS = int(env.number("MCP_HELD_ANSWERS", 8, 1))
EVENT_STREAM_S = env.number("MCP_EVENT_STREAM_S", 60, 1)
CURRENCY = env.text("MCP_CURRENCY", "USD")

CELERY_BROKER_URL = BROKER_URL
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_DEFAULT_QUEUE = WATCH_QUEUE  # operations name their pod's queue; everything else is the watch's
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, Any] = (
    {"polling_interval": 0.02} if EMBEDDED else {"visibility_timeout": 3600, "socket_timeout": 10, "socket_connect_timeout": 5}
)
# Celery would close the database connection before and after each task; mcp/celery.py applies Django's rules instead.
CELERY_DB_REUSE_MAX = 2**62
CELERY_TASK_PUBLISH_RETRY = False  # losing the broker costs latency, never a request: the sweeper wakes what was not published
CELERY_BEAT_SCHEDULER = "celery.beat:Scheduler"  # remembers in memory: missing a beat does no harm, a file beside the code does
CELERY_BEAT_SCHEDULE: dict[str, Any] = {
    "sweep": {"task": "mcp.operations.sweep", "schedule": OPERATIONS["sweep_s"], "options": {"expires": 10}},
    "heartbeats": {"task": "pods.heartbeat_hosts", "schedule": HEARTBEAT_PERIOD_S, "options": {"expires": 10}},
    "silent": {"task": "pods.heartbeat_silent_hosts", "schedule": HEARTBEAT_PERIOD_S, "options": {"expires": 10}},
    "reconcile": {"task": "pods.reconcile_hosts", "schedule": RECONCILE_PERIOD_S, "options": {"expires": 30}},
    "trash": {"task": "accelerators.empty_trash", "schedule": 60.0, "options": {"expires": 60}},
    "lent": {"task": "accelerators.look_after_lent_room", "schedule": PREEMPT_LOOK_S, "options": {"expires": 15}},
    "moves": {"task": "pods.look_after_moves", "schedule": MOVES_LOOK_S, "options": {"expires": 10}},
    "windows": {"task": "pods.look_after_windows", "schedule": 5.0, "options": {"expires": 15}},
    # Noted once an hour, however often this comes: a clock that is restarted often still leaves no hour out.
    "capacity": {"task": "pods.sample_capacity", "schedule": 600.0, "options": {"expires": 300}},
    "pulses": {"task": "mcp.health.forget_the_dead", "schedule": 3600.0, "options": {"expires": 600}},
    "forms": {"task": "mcp.web.forget_form_tokens", "schedule": 3600.0, "options": {"expires": 600}},
    "refusals": {"task": "pods.forget_refusals", "schedule": 3600.0, "options": {"expires": 600}},
    "forget": {"task": "mcp.api.forget_idempotency_keys", "schedule": 3600.0, "options": {"expires": 600}},
}

# Who may read /metrics: a function of the request, in an app above the kernel.
OPERATOR_GATE = "accounts.services.operators.is_operator"

LOG_LEVEL = env.text("MCP_LOG_LEVEL", "INFO")
LOG_FORMAT = env.text("MCP_LOG_FORMAT", "json")
LOGGING_CONFIG = "mcp.logs.configure"
LOGGING = {"level": LOG_LEVEL, "format": LOG_FORMAT}
