"""The Flask application: a runtime in, pages and webhooks out."""

from __future__ import annotations

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from broadcaster.core.errors import InvalidInput
from broadcaster.runtime import Runtime
from broadcaster.web import (
    access,
    account,
    brakes,
    bulletins,
    compose,
    desk,
    entries,
    entry,
    errors,
    evidence,
    exports,
    extensions,
    formats,
    frame,
    guards,
    health,
    languages,
    ledger,
    ledger_api,
    public,
    questions,
    schedule,
    series,
    texts,
    tlog,
    verify,
    webhooks,
)

_PAGES = (
    public,
    entry,
    account,
    languages,
    desk,
    texts,
    brakes,
    bulletins,
    compose,
    schedule,
    series,
    ledger,
    questions,
    ledger_api,
    evidence,
    entries,
    exports,
    tlog,
    verify,
    health,
    webhooks,
)


def create_app(runtime: Runtime, *, phones_url: str | None = None) -> Flask:
    """Put the application together.

    Args:
        runtime: the parts it works with.
        phones_url: where the demo shows its phones.
    """
    settings = runtime.settings
    app = Flask(
        "broadcaster.web",
        instance_path=str(settings.home),
        template_folder="templates",
        static_folder="static",
    )
    app.config.update(PHONES_URL=phones_url, BABEL_DEFAULT_LOCALE="en")
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    _keep_forms_safe(app, runtime)
    guards.configure(app)
    _attach(app, runtime)
    for module in _PAGES:
        app.register_blueprint(module.blueprint)
    access.public(app.view_functions["static"])
    if settings.web.proxy_hops:
        hops = settings.web.proxy_hops
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=0)  # type: ignore[method-assign]
    return app


def _keep_forms_safe(app: Flask, runtime: Runtime) -> None:
    """Set the key that signs forms, and the cookie that ties them to a browser."""
    key = runtime.settings.secrets.session_key.reveal()
    if not key:
        message = "There is no session key yet. Make the keys with: broadcaster init"
        raise InvalidInput(message)
    is_https = runtime.settings.public_url.startswith("https:")
    app.config.update(
        SECRET_KEY=key,
        SESSION_COOKIE_NAME="__Host-form" if is_https else "form",
        SESSION_COOKIE_SECURE=is_https,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        WTF_CSRF_TIME_LIMIT=None,
        # Our own check of the origin stands in: the Referer is not sent at all.
        WTF_CSRF_SSL_STRICT=False,
    )


def _attach(app: Flask, runtime: Runtime) -> None:
    """Order matters: guard the request, recognise who asks, check the form, then admit."""
    extensions.attach(app, runtime)
    extensions.babel.init_app(app, locale_selector=languages.select)
    app.before_request(guards.check_request)
    app.before_request(access.recognise)
    extensions.csrf.init_app(app)
    extensions.csrf.exempt(webhooks.blueprint)
    app.before_request(access.enforce)
    app.after_request(guards.add_headers)
    formats.install(app)
    frame.install(app)
    errors.install(app)
