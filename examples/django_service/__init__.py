r"""A compute service on Django: a server's row and its commission are one transaction.

export DJANGO_SETTINGS_MODULE=examples.django_service.settings DATABASE=sqlite:///servers.db
python -m django migrate --run-syncdb
python -m django astakos_relay &     # sends what a dead process left behind
gunicorn 'django.core.wsgi:get_wsgi_application()'    # or: python -m django runserver
"""
