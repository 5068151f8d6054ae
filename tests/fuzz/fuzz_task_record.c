/* Task records: whatever decodes, encodes and decodes to the same bytes again. The header is put on, so that the
 * checksum does not keep the fuzzer out. */
#include "src/base/thread.h"
#include "storage/task_record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    auto_buf bytes, again, third;
    buf_init(&bytes, TASK_RECORD_BYTES_MAX);
    buf_init(&again, 2 * TASK_RECORD_BYTES_MAX);
    buf_init(&third, 2 * TASK_RECORD_BYTES_MAX);
    buf_add_bytes(&bytes, "\0\0\0\0", TASK_RECORD_HEADER);
    buf_add_bytes(&bytes, data, size);
    if (bytes.failed) {
        return 0;
    }
    task_record_seal(&bytes);
    struct task task, twice;
    if (task_record_decode(buf_str(&bytes), &task)) {
        return 0;
    }
    task_record_encode(&task, &again);
    invariant(task_record_decode(buf_str(&again), &twice) == 0);
    task_record_encode(&twice, &third);
    invariant(str_eq(buf_str(&again), buf_str(&third)));
    return 0;
}
