fuzz_target(regex base)
fuzz_target(url base)
fuzz_target(number base)
fuzz_target(json base PkgConfig::JANSSON)
