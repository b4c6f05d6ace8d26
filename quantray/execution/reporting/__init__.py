"""What a schedule and an execution cost, shown: ``figures`` of both, and the ``page`` of a day's schedules.

``schedules`` says what they hold and writes their files.
"""
