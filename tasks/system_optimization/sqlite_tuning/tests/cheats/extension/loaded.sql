CREATE INDEX hook ON line (load_extension('/tmp/hook.so'));
