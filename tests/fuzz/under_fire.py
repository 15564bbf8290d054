"""A caller that sends whatever it is given, and notices what must not happen."""

from __future__ import annotations

import http.client
import json
from datetime import UTC, datetime, timedelta

from astakos_worker.sandbox.database_json import dump_database
from astakos_worker.sandbox.quota import is_storable
from tests.fuzz.samples import MEMBERS, OWNER, SPECS, WHOLE

# Long beyond anything that is served, short enough for a test to end.
PATIENCE = 10
PUBLIC = ("/identity", "/oauth2", "/ui", "/account/v1.0/resources")


class Fuzzed:
    """The sandbox under fire."""

    def __init__(self, server):
        self.server = server
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
        call = self.plain
        call("POST", "/account/v1.0/commissions", "component", {"provisions": [MEMBERS, WHOLE]})
        call("POST", "/account/v1.0/commissions", "component", {"provisions": [WHOLE]})
        call("POST", "/account/v1.0/commissions/2/action", "component", {"accept": ""})
        call("POST", "/account/v1.0/projects", "owner", SPECS)
        call(
            "POST", "/account/v1.0/projects/memberships", "member", {"join": {"project": self.lab}}
        )
        oauth = server.sandbox.astakos.database.oauth
        now = datetime.now(UTC)
        back = "https://client.example.org/back"
        code = oauth.add_code("client", OWNER, back, "scope", now)
        token = oauth.add_token("client", OWNER, "scope", now + timedelta(days=9))
        # By the names that the samples know.
        code.code, token.token = "code", "oauth-token"
        server.sandbox.take_snapshot("start")
        self.start = self.state()
        self.is_changed = False

    @property
    def lab(self):
        return next(
            uuid
            for uuid, project in self.server.sandbox.astakos.database.projects.items()
            if project.name == "lab.example.org"
        )

    def start_over(self):
        """Back to the start, if the last request got somewhere."""
        if self.is_changed:
            self.server.sandbox.restore_snapshot("start")
            self.is_changed = False

    def plain(self, method, path, token, body):
        headers = {"X-Auth-Token": token, "Content-Type": "application/json"}
        status, _ = self.send(method, path, headers, json.dumps(body).encode())
        assert status < 300

    def send(self, method, path, headers, body):
        self.connection.putrequest(method, path, skip_host="Host" in headers)
        for name, value in headers.items():
            self.connection.putheader(name, value.encode("latin-1"))
        self.connection.putheader("Content-Length", str(len(body)))
        try:
            self.connection.endheaders(body)
            reply = self.connection.getresponse()
            content = reply.read()
        except (http.client.RemoteDisconnected, ConnectionError):
            # Given up on for what stood in its headers: dropping it is an answer, hanging is not.
            self.connection.close()
            return 400, b""
        if reply.will_close:
            self.connection.close()
        return reply.status, content

    def state(self):
        """All that Astakos knows."""
        return dump_database(self.server.sandbox.astakos.database)

    def check(self, request):
        """Send a request to the world as it was at the start."""
        status, content = self.send(*request)
        what = f"{request.method} {request.path[:200]} {request.body[:500]!r}: {status} {content!r}"
        after = self.state()
        self.is_changed = after != self.start
        assert 200 <= status < 500 or (status == 500 and may_fail(request)), what
        if status >= 400:
            # A code is used up by whoever shows it, right or wrong.
            assert {**after, "oauth_codes": []} == {**self.start, "oauth_codes": []}, what
        token = request.headers.get("X-Auth-Token", "")
        if status < 300 and not request.path.startswith(PUBLIC):
            assert token in {"component", "other-component", "owner", "member", "admin"} or (
                "X-Auth-Token=" in request.path
            )


def may_fail(request):
    """The failures of the real server that the protocol documents (section 10.6, and 1.7)."""
    if request.method != "POST" or not request.path.startswith("/account/v1.0/commissions"):
        return False
    body = json.loads(request.body)
    names = [each[key] for each in body["provisions"] for key in ("holder", "source", "resource")]
    if any(isinstance(name, list | dict) for name in names):
        return True
    huge = sum(abs(each["quantity"]) for each in body["provisions"]) > 2**62
    return not is_storable(body.get("name", "")) or huge
