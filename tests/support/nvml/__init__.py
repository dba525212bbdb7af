"""A driver that plays a script: `stub.c`, built as libnvidia-ml.so.1, under the real binding."""
