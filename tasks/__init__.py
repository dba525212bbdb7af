"""What is asked: the task format, and the task directories, one folder per domain."""
