"""The rules about projects, applications and memberships: who may do what, with what effect.

Runs in the sandbox's process. A broken rule is raised as the fault that answers the request, since
the order of the checks decides the status. Must never import `api/`, the server or the faults.
"""
