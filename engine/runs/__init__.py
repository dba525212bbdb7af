"""Which sessions there are and may work: planning, scheduling, budgets, orders, outcomes."""
