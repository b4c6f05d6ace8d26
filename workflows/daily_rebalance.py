"""The day's bars in, the portfolio and its orders out, published: `CONFIG [--bars FILE]`, on a laptop or as a job."""

import sys

from quantray.cli import main

if __name__ == "__main__":
    sys.argv[1:1] = ["rebalance"]
    main()
