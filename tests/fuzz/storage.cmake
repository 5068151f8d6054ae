fuzz_target(chunk storage)
fuzz_target(wal storage)
fuzz_target(block storage)
