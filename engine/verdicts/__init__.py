"""How verdicts come about: the queue of snapshots, the verifier's process, and what is recorded."""
