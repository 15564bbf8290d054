"""Whether all is well: read once, judged once, and shown by `status`, metrics, logs and `health`.

`presence.py`: what each worker says of itself with its heartbeat. `reading.py` reads everything
there is to judge into the values of `observed.py`. `judgement.py` is a pure function from these
values to findings. `consuming.py` asks workers whether they take messages.
"""
