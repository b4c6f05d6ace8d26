"""How the workers of a row share the work on the same dates, where it is not dates that they share.

``choice``    which axes, and what is refused
``heads``     attention heads
``features``  the width of the encoder
``pipeline``  the encoder on one worker, attention and head on the next
``messages``  what is sent in which direction
"""
