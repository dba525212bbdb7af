"""What runs: sessions, models, harnesses, budgets, the journal, the daemon and its API."""
