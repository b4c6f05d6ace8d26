"""A gate's process gives way soon, and looks for no garbage among what it has loaded."""

import gc
import sys

from quantray.oms.pace import keep_pace


def test_threads_give_way_sooner_and_what_is_there_is_left_alone():
    before = sys.getswitchinterval()
    gc.unfreeze()
    try:
        keep_pace()
        assert sys.getswitchinterval() < before
        assert gc.get_freeze_count() > 0
    finally:
        sys.setswitchinterval(before)
