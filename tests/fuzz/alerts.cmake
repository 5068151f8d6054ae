fuzz_target(template alerts)
fuzz_target(rule_file alerts)
