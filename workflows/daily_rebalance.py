"""The day's bars in, the portfolio and its orders out, published; on a laptop or as a job.

Usage: python workflows/daily_rebalance.py workflows/configs/daily.yaml [--bars FILE] [--set a.b=value ...]
       quantray submit workflows/daily_rebalance.py workflows/configs/daily.yaml -- --bars FILE
"""

import sys

from quantray.cli import main

if __name__ == "__main__":
    sys.argv[1:1] = ["rebalance"]
    main()
