"""The Celery application: `celery -A astakos_worker.app worker`.

Importing this module reads the environment and opens nothing.
"""

from celery import Celery

from astakos_worker.settings import Settings, celery_values

settings = Settings()
app = Celery("astakos_worker")
app.conf.update(celery_values(settings))
