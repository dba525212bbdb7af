ATTACH DATABASE ':memory:' AS quick;
