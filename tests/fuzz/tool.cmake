fuzz_target(query_answer tool)
