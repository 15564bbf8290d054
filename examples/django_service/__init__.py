"""A compute service on Django: a server's row and its commission are one transaction.

    export DATABASE=sqlite:///$PWD/servers.db      # or postgresql://user@host/name
    python -m examples.django_service migrate --run-syncdb
    python -m examples.django_service runserver 8000 &
    python -m examples.django_service astakos_relay &     # sends what a dead process left behind
    curl -d name=web-1 -d user=$UUID localhost:8000/create
    curl -d name=web-1 localhost:8000/delete

No view waits for Astakos. What Astakos refuses, the commission's outcome says.
"""
