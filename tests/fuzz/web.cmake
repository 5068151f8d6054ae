fuzz_target(api_params web)
