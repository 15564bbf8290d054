r"""A compute service on Django: a server's row and its commission are one transaction.

export DJANGO_SETTINGS_MODULE=examples.django_service.settings
export DATABASE=sqlite:///$PWD/servers.db      # or postgresql://user@host/name
python -m django migrate --run-syncdb
python -m django astakos_relay &     # sends what a dead process left behind
gunicorn --workers 2 'django.core.wsgi:get_wsgi_application()'    # or: python -m django runserver
curl -d name=web-1 -d user=$UUID localhost:8000/create
"""
