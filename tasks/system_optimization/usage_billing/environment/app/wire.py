"""The wire format of a batch and of its answer. Pinned: the service's callers speak it already.

Everything is little-endian and without padding. A batch is

    HEAD      plans, accounts, events, window_ms, four zeros
    PLAN      for each plan: where its four tiers end, their four prices, its burst limit, a zero
    ACCOUNT   for each account: its plan, a zero, its usage in units before this batch
    EVENT     for each event: account, region, time_ms, units, key

in this order, and its answer is

    CHARGE    for each event, in the order of the batch: nanodollars, or DUPLICATE
    TOTAL     for each account: nanodollars and units of this batch
"""

import struct

HEAD = struct.Struct("<8I")
PLAN = struct.Struct("<4Q4Q2I")
ACCOUNT = struct.Struct("<2IQ")
EVENT = struct.Struct("<4IQ")
CHARGE = struct.Struct("<q")
TOTAL = struct.Struct("<2q")

TIERS = 4
DUPLICATE = -1

# What a region adds to the list price, in thousandths of it.
REGIONS = (1000, 1120, 1065, 1210, 985, 1300, 1155, 1040)

# Promised by the gateway that makes the batches.
MOST_PLANS = 64
MOST_ACCOUNTS = 60_000
MOST_UNITS = 1 << 20  # of one event
MOST_USAGE = 1 << 36  # of one account, with the batch
MOST_PRICE = 1 << 20  # nanodollars for one unit
