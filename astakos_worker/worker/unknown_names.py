"""Says in words which name of a commission Astakos does not know.

Astakos answers 404 where a user, a project or a resource is misspelt, and does not say which. It
answers 404 too while it synchronises quotas, so the commission is tried again for a while (F14).
Meanwhile this text tells people what to correct. It is advice: nothing is decided by it.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from astakos_worker.configuration.nearest import nearest
from astakos_worker.ledger.request import Provision
from astakosclient import AstakosClient
from astakosclient.errors import AstakosClientException, NotFound

_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")

#: The text where all names are known by the time that Astakos is asked.
SYNCHRONISING = "Astakos had no such holding for a moment: it may be synchronising quotas"


def unknown_name(client: AstakosClient, provisions: Sequence[Provision]) -> str:
    """Return which user, project or resource Astakos does not know, and the nearest known name.

    Sends one request to Astakos. An empty text: Astakos did not answer it.
    """
    try:
        return _of_user(client, provisions) or SYNCHRONISING
    except AstakosClientException:
        return ""


def _of_user(client: AstakosClient, provisions: Sequence[Provision]) -> str:
    triples = list(_triples(provisions))
    users = [user for user, _, _ in triples if user]
    if not users:
        projects = list(dict.fromkeys(project for _, project, _ in triples))
        return _unknown_project(client, projects, triples)
    user = users[0]
    if not _UUID.fullmatch(user):
        found = client.service_get_uuids([user])
        if user in found:
            return f"{user!r} is a user's name; the uuid of that user is {found[user]!r}"
        return f"{user!r} is neither the uuid nor the name of a user"
    for _, project, _ in triples:
        if not _UUID.fullmatch(project):
            return f"{project!r} is no project: give the uuid of a project"
    try:
        quotas = client.service_get_quotas(user=user)[user]
    except (NotFound, KeyError):
        return f"Astakos has no user with the uuid {user!r}"
    return _not_in(quotas, f"user {user!r} is in no project", triples)


def _unknown_project(
    client: AstakosClient, projects: Sequence[str], triples: Sequence[tuple[str, str, str]]
) -> str:
    try:
        quotas = client.service_get_project_quotas(projects)
    except NotFound:
        quotas = {}
    return _not_in(quotas, "Astakos has no project", triples)


def _not_in(
    quotas: Mapping[str, Mapping[str, object]],
    no_project: str,
    triples: Sequence[tuple[str, str, str]],
) -> str:
    for _, project, resource in triples:
        if project not in quotas:
            return f"{no_project} {project!r}{nearest(project, quotas)}"
        if resource not in quotas[project]:
            return f"Astakos has no resource {resource!r}{nearest(resource, quotas[project])}"
    return ""


def _triples(provisions: Sequence[Provision]) -> Iterator[tuple[str, str, str]]:
    """Yield (user, project, resource) of each provision; the user is empty for a project's."""
    for one in provisions:
        holder = one.holder.partition(":")[2]
        if one.source is None:
            yield "", holder, one.resource
        else:
            yield holder, one.source.partition(":")[2], one.resource
