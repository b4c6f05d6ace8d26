"""Books at an address: published in versions, and served to whoever has a key.

``publish`` keeps books in a folder or an object store and says which one is the latest; ``follower`` reads them as they
come. ``app`` is the application, made of ``routes``, and ``deployment`` puts it on Ray Serve; ``auth`` keeps keys,
``access`` asks for them, ``passage`` and ``problems`` are what every request and every failure goes through.
``what_ifs`` are computed on request, and ``client`` is what downstream programs use. ``desk`` rebalances a day and
publishes it, ``demo`` the simulated one; ``alerts`` tell people, and ``watching`` looks from outside.
``institution`` reads the orders of a firm for its managers, risk officers and operations.
"""
