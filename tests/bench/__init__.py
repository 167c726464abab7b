"""How fast the portal is: each figure beside its own floor, taken in the same run.

    python -m tests.bench                      every bench, on SQLite and PostgreSQL
    python -m tests.bench closing --on sqlite  one bench on one database
    python -m tests.bench closing --scale 0.1  a tenth of its size

A floor is what the database alone needs for the same rows, so a ratio says what the portal adds and
hardly depends on the machine. Not part of the suite: pytest collects nothing here.
"""
