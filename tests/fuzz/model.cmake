fuzz_target(remote_write model)
fuzz_target(openmetrics model)
