"""A trading day of a firm: what each manager's strategies want, decided apart, traded in blocks and booked once.

A ``world`` is all that one manager knows and decides; ``worlds`` keep them apart, each in a process of its own; the
``day`` leads bars to them and what they want through the gate, the paper venue and the accounts; ``profit`` says who
earned what, and ``record`` writes it down.
"""
