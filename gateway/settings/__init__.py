"""All settings: one typed schema, and where each value came from."""

from gateway.settings.schema import (
    DispatcherSettings,
    LimitSettings,
    ListenerSettings,
    LogFormat,
    LogLevel,
    LogRequests,
    Settings,
    Surface,
    TlsSettings,
    WebApiState,
    WorkerSettings,
)
from gateway.settings.sources import Loaded, Origin, SettingsError, Source, load

__all__ = [
    "DispatcherSettings",
    "LimitSettings",
    "ListenerSettings",
    "Loaded",
    "LogFormat",
    "LogLevel",
    "LogRequests",
    "Origin",
    "Settings",
    "SettingsError",
    "Source",
    "Surface",
    "TlsSettings",
    "WebApiState",
    "WorkerSettings",
    "load",
]
