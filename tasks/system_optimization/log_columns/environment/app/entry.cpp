/* From the verifier's byte blobs to parse_log(). Pinned: the verifier takes its own copy. */
#include "columns.h"

#include <cstring>

/*
 * Input: two little-endian uint32 (rows, message_bytes), then the text.
 * Output: the columns in the order of `Columns`, without gaps.
 */
extern "C" int autolab_solve(const void *input, std::size_t input_size, void *output,
                             std::size_t output_size)
{
    std::uint32_t head[2];
    if (input_size < sizeof head)
        return 1;
    std::memcpy(head, input, sizeof head);
    const std::size_t rows = head[0];
    if (output_size != rows * 29 + head[1])
        return 2;
    char *at = static_cast<char *>(output);
    Columns out{};
    out.rows = head[0];
    out.message_bytes = head[1];
    out.time = reinterpret_cast<std::int64_t *>(at);
    out.duration = reinterpret_cast<std::int64_t *>(at + rows * 8);
    out.user = reinterpret_cast<std::uint32_t *>(at + rows * 16);
    out.status = reinterpret_cast<std::int32_t *>(at + rows * 20);
    out.message_end = reinterpret_cast<std::uint32_t *>(at + rows * 24);
    out.level = reinterpret_cast<std::uint8_t *>(at + rows * 28);
    out.messages = at + rows * 29;
    parse_log(static_cast<const char *>(input) + sizeof head, input_size - sizeof head, out);
    return 0;
}
