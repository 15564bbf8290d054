"""Where each call goes: the URLs of the catalog, and the path of each call below them.

The first property that is read asks Astakos for its catalog.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from astakosclient.endpoints import OAUTH2, Endpoints, path_of
from astakosclient.errors import NoEndpoints


class Addresses(ABC):
    """The URLs of the catalog, their paths ("prefixes"), and the path of each call."""

    @property
    @abstractmethod
    def _endpoints(self) -> Endpoints:
        """The URLs of the catalog."""

    @property
    def account_url(self) -> str:
        """URL of the account service."""
        return self._endpoints.account

    @property
    def account_prefix(self) -> str:
        """Path of the account service."""
        return path_of(self.account_url)

    @property
    def ui_url(self) -> str:
        """URL of the web interface; `NoEndpoints` if Astakos names none."""
        url = self._endpoints.ui
        if url is None:
            raise NoEndpoints(ep_name="astakos_account (SNF:uiURL)")
        return url

    @property
    def ui_prefix(self) -> str:
        """Path of the web interface."""
        return path_of(self.ui_url)

    @property
    def oauth2_url(self) -> str:
        """URL of the OAuth 2 service; `NoEndpoints` on a server without one."""
        url = self._endpoints.oauth2
        if url is None:
            raise NoEndpoints(ep_name=OAUTH2)
        return url

    @property
    def oauth2_prefix(self) -> str:
        """Path of the OAuth 2 service."""
        return path_of(self.oauth2_url)

    @property
    def api_user_catalogs(self) -> str:
        """Path of the catalogs for users."""
        return f"{self.account_prefix}/user_catalogs"

    @property
    def api_service_user_catalogs(self) -> str:
        """Path of the catalogs for services."""
        return f"{self.account_prefix}/service/user_catalogs"

    @property
    def api_feedback(self) -> str:
        """Path of the feedback form."""
        return f"{self.account_prefix}/feedback"

    @property
    def api_default_project(self) -> str:
        """Path of the user's default project."""
        return f"{self.account_prefix}/myaccount/default_project"

    @property
    def api_resources(self) -> str:
        """Path of the resources."""
        return f"{self.account_prefix}/resources"

    @property
    def api_quotas(self) -> str:
        """Path of the user's quotas."""
        return f"{self.account_prefix}/quotas"

    @property
    def api_service_quotas(self) -> str:
        """Path of the quotas of a service's users."""
        return f"{self.account_prefix}/service_quotas"

    @property
    def api_service_project_quotas(self) -> str:
        """Path of the quotas of projects."""
        return f"{self.account_prefix}/service_project_quotas"

    @property
    def api_commissions(self) -> str:
        """Path of the commissions."""
        return f"{self.account_prefix}/commissions"

    @property
    def api_commissions_action(self) -> str:
        """Path for accepting and rejecting many commissions."""
        return f"{self.account_prefix}/commissions/action"

    @property
    def api_projects(self) -> str:
        """Path of the projects."""
        return f"{self.account_prefix}/projects"

    @property
    def api_memberships(self) -> str:
        """Path of the memberships."""
        return f"{self.account_prefix}/projects/memberships"

    @property
    def api_get_services(self) -> str:
        """Path of the services that the web interface lists."""
        return f"{self.ui_prefix}/get_services"

    @property
    def api_oauth2_token(self) -> str:
        """Path that exchanges OAuth 2 tokens."""
        return f"{self.oauth2_prefix}/token"
