"""Device code on a machine without a device: a libcuda of the tests' own, under the real PyCUDA."""
