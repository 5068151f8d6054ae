fuzz_target(redis_info collect)
fuzz_target(host_proc collect)
