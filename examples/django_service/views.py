"""The service's views: each change is one transaction, its commission included."""

import secrets

from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path

from astakos_worker import Commissions, UnknownKey
from examples.django_service.models import Server

commissions = Commissions()


@transaction.atomic
def create(request: HttpRequest) -> HttpResponse:
    """Create a server; its commission is issued and accepted if this commits."""
    name, user = request.POST["name"], request.POST["user"]
    key = f"{name}/create/{secrets.token_hex(4)}"
    Server(name=name, user=user, key=key).save(force_insert=True)
    commissions.in_transaction().issue(
        user=user, project=user, provisions={"cyclades.vm": 1}, key=key, accept=True
    )
    return JsonResponse({"key": key})


@transaction.atomic
def delete(request: HttpRequest) -> HttpResponse:
    """Delete a server, and give its quota back."""
    server = Server.objects.select_for_update().get(name=request.POST["name"])
    key = commissions.in_transaction().issue(
        user=server.user,
        project=server.user,
        provisions={"cyclades.vm": -1},
        key=server.key.replace("/create/", "/delete/"),
        accept=True,
    )
    server.delete()
    return JsonResponse({"key": key})


def outcome(_: HttpRequest, key: str) -> HttpResponse:
    """Say how a commission stands: "waits" until its row has left the outbox."""
    try:
        return JsonResponse({"state": commissions.get(key).state})
    except UnknownKey:
        return JsonResponse({"state": "waits"})


urlpatterns = [path("create", create), path("delete", delete), path("outcome/<path:key>", outcome)]
