"""A service's request handler, and the later step that decides what it reserved.

Run `make up` in one terminal, copy the `export` lines that it prints into another, and there:

    .venv/bin/python examples/request_handler.py
"""

from astakos_worker import Commissions, Lookups
from astakosclient import QuotaLimit

commissions = Commissions()
lookups = Lookups()


def create_server(server: int, user: str) -> None:
    """Answer a user's request: reserve, and return. Nothing here waits for Astakos."""
    commissions.issue(
        user=user,
        project=user,
        provisions={"cyclades.vm": 1, "cyclades.ram": 2 << 30},
        key=f"server-{server}/create",
        name=f"create server {server}",
    )


def server_is_up(server: int) -> None:
    """Accept when the back end says that the server is up: in any process, at any time later."""
    commissions.accept(f"server-{server}/create")


def resize_server(server: int, user: str) -> bool:
    """Hold a reservation while the work is done; return False at once if there is no quota."""
    try:
        with commissions.hold(
            user=user,
            project=user,
            provisions={"cyclades.cpu": 2},
            key=f"server-{server}/resize",
        ):
            print(f"server {server} is being resized")
    except QuotaLimit as refusal:
        print(f"server {server} stays as it is: {refusal}")
        return False
    return True


def main() -> None:
    """Create, resize and report."""
    user = lookups.uuid("user01@example.org")
    create_server(42, user)
    server_is_up(42)
    print(commissions.outcome("server-42/create", timeout=20))
    resize_server(42, user)
    print(commissions.outcome("server-42/resize", timeout=20))


if __name__ == "__main__":
    main()
