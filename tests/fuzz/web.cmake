fuzz_target(api_params web)
fuzz_target(grafana web)
