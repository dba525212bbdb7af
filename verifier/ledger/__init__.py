"""The ledger of verdicts: append-only, hash-chained, signed; one for each state folder.

`ledger.Ledger` writes it, `audit` proves that it is whole, `bundle` hands it to a third party. It
says what was recorded and in which order. It cannot bind whoever owns the key: see
docs/verifier.md.
"""
