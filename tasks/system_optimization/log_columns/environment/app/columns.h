/* The parser that parse.cpp implements. Pinned: the verifier takes its own copy. */
#ifndef COLUMNS_H
#define COLUMNS_H

#include <cstddef>
#include <cstdint>
#include <limits>

/* What a column holds where a line does not have the field. */
inline constexpr std::int64_t NO_TIME = std::numeric_limits<std::int64_t>::min();
inline constexpr std::int64_t NO_DURATION = -1;
inline constexpr std::int32_t NO_STATUS = std::numeric_limits<std::int32_t>::min();
inline constexpr std::uint32_t NO_USER = 0xFFFFFFFFu;
inline constexpr std::uint8_t NO_LEVEL = 255;

enum Level : std::uint8_t { DEBUG = 0, INFO = 1, WARN = 2, ERROR = 3 };

/*
 * Room for exactly `rows` lines, one entry of each array for each; instruction.md has the format.
 *
 * time         ns since 1970-01-01T00:00:00Z          field ts
 * duration     ns, rounded down                       field dur
 * user         number of the user, in order of first appearance from 0     field user
 * status                                              field status
 * message_end  the line's message ends at this offset of `messages`, and begins where the line
 *              before it ended (the first line at 0)
 * level        a Level                                field level
 * messages     all messages one after another, unescaped; message_bytes in total    field msg
 */
struct Columns {
    std::uint32_t rows;
    std::uint32_t message_bytes;
    std::int64_t *time;
    std::int64_t *duration;
    std::uint32_t *user;
    std::int32_t *status;
    std::uint32_t *message_end;
    std::uint8_t *level;
    char *messages;
};

/* text has `size` bytes: out.rows lines, each ended by '\n'. It is read-only and nothing may be read
 * after its end. Every entry of every column must be written, and nothing else. */
void parse_log(const char *text, std::size_t size, const Columns &out);

#endif
