"""The routes of the service, by what they are about.

``service`` is what they share, ``forms`` how a book's part travels; ``books`` reads, ``what_ifs`` computes, ``events``
tells of new books, and ``health`` says how the service is.
"""
