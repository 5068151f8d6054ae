fuzz_target(promql query)
