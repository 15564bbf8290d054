"""The service's own table."""

from django.db import models


class Server(models.Model):
    """A server; its row is there as long as it counts."""

    name = models.CharField(max_length=100, primary_key=True)
    user = models.CharField(max_length=36)
    key = models.CharField(max_length=200)  # of the commission that reserved it

    def __str__(self) -> str:
        return self.name
