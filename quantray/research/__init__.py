"""What is true of every study: where its data come from, how its work is handed out and kept, and what a run leaves.

``kind``        a kind of study: settings, source, findings, and the record of functions that leads from one to the next
``market``      the data of a study, ``terms`` what all kinds have settings for in the same words
``folds``       cuts time
``executor``    hands out work, ``units`` computes what is missing, ``results`` keeps it by content
``provenance``  names the code, libraries and kernels of a unit in its key: ``source`` and ``definitions`` read the
                code that it reaches and ``own_code`` that of users, ``numerics`` tells the kernels
``door``        what users bring must pass before any work is handed out
``run``         writes the folder of a run, ``folder`` reads and lists it, ``verify`` compares all that it holds or came
                from with what it noted; ``comparison`` puts two side by side
``tunable``     what a kind must give so that its settings can be searched, in a ``space``
``tracking``    writes to MLflow when asked; ``metering`` reads memory, ``progress`` says how far work is
"""
