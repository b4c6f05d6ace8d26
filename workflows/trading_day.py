"""A firm's trading day: strategies of many managers, blocks through the gate, a paper venue, accounts, lots and profit.

Usage: python workflows/trading_day.py workflows/configs/trading_day.yaml --folder days/1 [--set a.b=value ...]
       python workflows/trading_day.py workflows/configs/trading_day_full.yaml --folder days/2
"""

import sys

from quantray.cli import main

if __name__ == "__main__":
    sys.argv[1:1] = ["trade"]
    main()
