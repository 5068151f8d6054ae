fuzz_target(celery_event collect)
fuzz_target(celery_reply collect)
fuzz_target(task_record storage)
