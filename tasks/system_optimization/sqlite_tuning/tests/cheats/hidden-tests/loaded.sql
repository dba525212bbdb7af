CREATE INDEX peek ON line (readfile('/tests/judge.py'));
