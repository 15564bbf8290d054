"""The service's views: each change is one transaction, its commission included."""

import secrets

from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path

from astakos_worker import Commissions, Unavailable, UnknownKey
from examples.django_service.models import Server

commissions = Commissions()


@transaction.atomic
def create(request: HttpRequest) -> HttpResponse:
    """Create a server; its commission is issued and accepted if this commits."""
    name, user = request.POST["name"], request.POST["user"]
    key = f"{name}/create/{secrets.token_hex(4)}"
    Server(name=name, user=user, key=key).save(force_insert=True)
    _reserve(user, 1, key)
    return JsonResponse({"key": key})


@transaction.atomic
def delete(request: HttpRequest) -> HttpResponse:
    """Delete a server, and give back what Astakos has confirmed; 409: not confirmed yet."""
    server = Server.objects.select_for_update().get(name=request.POST["name"])
    state = _state(server.key)
    if state not in {"accepted", "refused"}:
        return JsonResponse({"state": state}, status=409)
    server.delete()
    if state == "accepted":  # if it was refused, there is nothing to give back
        _reserve(server.user, -1, server.key.replace("/create/", "/delete/"))
    return JsonResponse({"state": state})


def outcome(_: HttpRequest, key: str) -> HttpResponse:
    """Say how a commission stands."""
    return JsonResponse({"state": _state(key)})


def _reserve(user: str, servers: int, key: str) -> None:
    commissions.in_transaction().issue(
        user=user, project=user, provisions={"cyclades.vm": servers}, key=key, accept=True
    )


def _state(key: str) -> str:
    """Return a commission's state; "waits" while its row is in the outbox, or the ledger away."""
    try:
        return commissions.get(key).state
    except (UnknownKey, Unavailable):
        return "waits"


urlpatterns = [path("create", create), path("delete", delete), path("outcome/<path:key>", outcome)]
