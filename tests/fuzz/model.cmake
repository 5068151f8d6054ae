fuzz_target(remote_write model)
