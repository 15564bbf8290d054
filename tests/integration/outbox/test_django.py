"""The Django application, by a service that runs: `examples/django_service/`."""

import json
import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
import requests

from astakos_worker.local.free_ports import LOOPBACK, Port
from tests.integration.cluster.until import until

ROOT = Path(__file__).parents[3]
SERVICE = [sys.executable, "-W", "ignore", "-m", "django"]
ONE = {"name": "web-1", "user": "ada"}


@pytest.fixture
def url(kind, request, tmp_path):
    """An empty database, which Django fills itself."""
    if kind == "sqlite":
        return f"sqlite:///{tmp_path}/db"
    where = request.getfixturevalue("postgres").url.replace("+psycopg", "")
    with psycopg.connect(where) as connection:
        connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    return where


@pytest.fixture
def manage(url, settings, monkeypatch):
    """Runs a command of the service to its end."""
    monkeypatch.setenv("DATABASE", url)
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "examples.django_service.settings")

    def run(*words, status=0):
        done = subprocess.run(
            [*SERVICE, *words], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == status, done.stderr
        return done.stdout + done.stderr

    run("migrate", "--run-syncdb")
    return run


@pytest.fixture
def serve(manage):
    """Starts the web server; `post(path, ...)` asks it, and it may be killed."""
    running = []

    def start(**environment):
        with closing(Port()) as port:
            where = f"{LOOPBACK}:{port.number}"
            process = subprocess.Popen(
                [*SERVICE, "runserver", "--noreload", "--nothreading", where],
                cwd=ROOT,
                env={**os.environ, **environment},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            running.append(process)
            until(port.answers)

        def post(path, **fields):
            return requests.post(f"http://{where}/{path}", data=fields, timeout=20)

        return process, post

    yield start
    for process in running:
        process.kill()
        process.wait()


def test_a_view_commits_row_and_commission_and_rolls_both_back(manage, serve, commissions, known):
    _, post = serve(ASTAKOS_SERVICE="compute")
    answer = post("create", **ONE)
    assert answer.status_code == 200, answer.text
    key = answer.json()["key"]
    until(lambda: known(key))
    assert commissions.get(key).decision == "accept"
    assert post("create", **ONE).status_code == 500  # the name is taken
    early = post("delete", name="web-1")  # there are no workers, so nothing is confirmed
    assert (early.status_code, early.json()) == (409, {"state": "queued"})
    assert "0 waiting, 0 failed" in manage("astakos_relay", "--once")
    assert "no issues" in manage("check", "--database", "default")


def test_what_a_killed_service_left_behind_is_sent_by_the_relay(manage, serve, commissions, known):
    """F96: the view answers 200 while the ledger is away, and the process dies afterwards."""
    process, post = serve(
        ASTAKOS_SERVICE="compute",
        ASTAKOS_LEDGER_URL="redis://127.0.0.1:1/0",
        ASTAKOS_PATIENCE="0.1",
    )
    answer = post("create", **ONE)
    assert answer.status_code == 200
    process.send_signal(signal.SIGKILL)
    process.wait()
    key = answer.json()["key"]
    assert known(key) is None
    printed = manage("astakos_relay", "--once", "--json").splitlines()
    said = json.loads([line for line in printed if line.startswith("{")][-1])
    assert (said["sent"], said["waiting"], said["failed"]) == (1, 0, 0)
    assert known(key) == "queued"


def test_the_checks_warn_of_rows_that_wait_and_of_rows_that_failed(manage, url, database):
    where = database.outbox
    row = (
        "INSERT INTO astakos_outbox "
        "(schema, kind, service, key, holder, incarnation, arguments, created, error) VALUES "
    )
    old = "datetime('now', '-90 seconds')"
    if where.dialect == "postgresql":
        old = "now() - interval '90 s'"
    with where.transactions() as execute:
        execute(f"{row} (1, 'accept', 's', 'a', 'key:a', '', '{{}}', {old}, NULL)", ())
        error = '{"class": "KeyConflict", "message": "in use"}'
        execute(f"{row} (1, 'accept', 's', 'b', 'key:b', '', '{{}}', {old}, '{error}')", ())
    said = manage("check", "--database", "default")
    assert "W001" in said
    assert "1 calls wait in the outbox, the oldest for " in said
    assert "W002" in said


def test_the_migration_is_the_models(manage):
    assert "No changes" in manage("makemigrations", "--check", "--dry-run", "astakos_outbox")


ADMIN = """
from django.conf import settings
apps = ["admin", "auth", "contenttypes", "messages", "sessions"]
middleware = ["sessions.middleware.Session", "auth.middleware.Authentication"]
processors = ["django.contrib.auth.context_processors.auth"]
processors += ["django.contrib.messages.context_processors.messages"]
settings.configure(
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    INSTALLED_APPS=[*(f"django.contrib.{app}" for app in apps), "astakos_worker.django"],
    MIDDLEWARE=[
        *(f"django.contrib.{one}Middleware" for one in middleware),
        "django.contrib.messages.middleware.MessageMiddleware",
    ],
    TEMPLATES=[{
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {"context_processors": processors},
    }],
    ROOT_URLCONF="__main__", SECRET_KEY="x", USE_TZ=True, ALLOWED_HOSTS=["testserver"],
)
import django
django.setup()
from django.contrib import admin
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from django.urls import path
from astakos_worker.django.models import OutboxRow
urlpatterns = [path("admin/", admin.site.urls)]
call_command("migrate", verbosity=0)
fields = {"schema": 1, "service": "s", "holder": "project:lab", "incarnation": "", "arguments": ""}
error = '{"class": "KeyConflict", "message": "in use elsewhere"}'
OutboxRow.objects.create(kind="issue", key="taken", error=error, **fields)
OutboxRow.objects.create(kind="accept", key="waits", **fields)
client = Client()
client.force_login(User.objects.create_superuser("root"))
where = "/admin/astakos_outbox/outboxrow/"
page = client.get(where).content.decode()
print([word for word in ("taken", "in use elsewhere", "waits") if word in page])
print(client.get(f"{where}add/").status_code, client.get(f"{where}1/delete/").status_code)
print(client.post(f"{where}1/change/", {"key": "other"}).status_code)
"""


def test_the_admin_lists_rows_and_changes_nothing():
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", ADMIN], capture_output=True, text=True, check=False
    )
    assert done.stdout.splitlines() == [
        "['taken', 'in use elsewhere', 'waits']",
        "403 403",
        "403",
    ], done.stderr
