/* One pass, with a calendar in which every fourth year is a leap year: right from 1901 to 2099. */
#include "columns.h"

#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

using std::string_view;

static inline bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline int two(const char *digits)
{
    return (digits[0] - '0') * 10 + (digits[1] - '0');
}

/* Open addressing over views: of the text, or of the arena for a name that had to be unescaped. */
class Users {
public:
    Users() : slots_(1024) {}

    std::uint32_t number(string_view name)
    {
        std::uint64_t hash = hash_of(name);
        for (std::size_t i = hash & (slots_.size() - 1);; i = (i + 1) & (slots_.size() - 1)) {
            Slot &slot = slots_[i];
            if (slot.number == NO_USER) {
                slot = {hash, name, count_++};
                std::uint32_t number = slot.number;
                if (count_ * 2 > slots_.size())
                    grow();
                return number;
            }
            if (slot.hash == hash && slot.name == name)
                return slot.number;
        }
    }

private:
    struct Slot {
        std::uint64_t hash = 0;
        string_view name;
        std::uint32_t number = NO_USER;
    };

    static std::uint64_t hash_of(string_view name)
    {
        const std::uint64_t odd = 0x9E3779B97F4A7C15u;
        std::uint64_t hash = name.size() * odd;
        const char *at = name.data();
        std::size_t left = name.size();
        for (; left >= 8; left -= 8, at += 8) {
            std::uint64_t word;
            std::memcpy(&word, at, 8);
            hash = (hash ^ word) * odd;
            hash ^= hash >> 32;
        }
        std::uint64_t word = 0;
        for (; left > 0; left--)
            word = word << 8 | static_cast<unsigned char>(*at++);
        hash = (hash ^ word) * odd;
        return hash ^ hash >> 32;
    }

    void grow()
    {
        std::vector<Slot> old(slots_.size() * 2);
        old.swap(slots_);
        for (const Slot &slot : old) {
            if (slot.number == NO_USER)
                continue;
            std::size_t i = slot.hash & (slots_.size() - 1);
            while (slots_[i].number != NO_USER)
                i = (i + 1) & (slots_.size() - 1);
            slots_[i] = slot;
        }
    }

    std::vector<Slot> slots_;
    std::uint32_t count_ = 0;
};

/* What copies are made of: never freed before the end, never moved. */
class Arena {
public:
    char *room(std::size_t size)
    {
        if (left_ < size) {
            left_ = size > BLOCK ? size : BLOCK;
            blocks_.emplace_back(left_, '\0');
            at_ = blocks_.back().data();
        }
        return at_;
    }
    void keep(std::size_t size)
    {
        at_ += size;
        left_ -= size;
    }

private:
    static constexpr std::size_t BLOCK = 1 << 16;
    std::vector<std::vector<char>> blocks_;
    char *at_ = nullptr;
    std::size_t left_ = 0;
};

static inline char unescaped(char c)
{
    return c == 'n' ? '\n' : c == 't' ? '\t' : c;
}

/* All of these read a value at `at` and return where it ended. */

static const char *skip_bare(const char *at)
{
    while (*at != ' ' && *at != '\n')
        at++;
    return at;
}

static const char *skip_quoted(const char *at)
{
    for (at++; *at != '"'; at++)
        if (*at == '\\')
            at++;
    return at + 1;
}

static const char *skip(const char *at)
{
    return *at == '"' ? skip_quoted(at) : skip_bare(at);
}

static const char *copy_quoted(const char *at, char *&to)
{
    for (at++; *at != '"'; at++)
        *to++ = *at == '\\' ? unescaped(*++at) : *at;
    return at + 1;
}

static const char *read_message(const char *at, char *&to)
{
    if (*at == '"')
        return copy_quoted(at, to);
    while (*at != ' ' && *at != '\n')
        *to++ = *at++;
    return at;
}

static const char *read_user(const char *at, Users &users, Arena &arena, std::uint32_t &number)
{
    const char *end = skip(at);
    if (*at != '"') {
        number = users.number({at, static_cast<std::size_t>(end - at)});
        return end;
    }
    auto size = static_cast<std::size_t>(end - at - 2);
    if (std::memchr(at + 1, '\\', size) == nullptr) {
        number = users.number({at + 1, size});
        return end;
    }
    char *name = arena.room(size), *to = name;
    copy_quoted(at, to);
    size = static_cast<std::size_t>(to - name);
    arena.keep(size);
    number = users.number({name, size});
    return end;
}

static const char *read_billionths(const char *at, std::int64_t &value)
{
    static const std::int64_t scale[10] = {1000000000, 100000000, 10000000, 1000000, 100000,
                                           10000,      1000,      100,      10,      1};
    value = 0;
    if (*at != '.')
        return at;
    const char *begin = ++at;
    for (; is_digit(*at); at++)
        value = value * 10 + (*at - '0');
    value *= scale[at - begin];
    return at;
}

/* Days from 1970-01-01 in the Gregorian calendar. A year that begins in March ends with the leap day,
 * so that the months before it have a regular pattern of 153 days in five. */
static std::int64_t days_to(int year, int month, int day)
{
    int shifted = month > 2 ? month - 3 : month + 9;
    if (month <= 2)
        year--;
    int leap_days = year / 4 - 15;
    return std::int64_t{year} * 365 + leap_days + (153 * shifted + 2) / 5 + day - 719469;
}

static const char *read_time(const char *at, std::int64_t &value)
{
    std::int64_t seconds = days_to(two(at) * 100 + two(at + 2), two(at + 5), two(at + 8)) * 86400 +
                           two(at + 11) * 3600 + two(at + 14) * 60 + two(at + 17);
    std::int64_t fraction;
    at = read_billionths(at + 19, fraction);
    if (*at == 'Z') {
        at++;
    } else {
        int offset = two(at + 1) * 3600 + two(at + 4) * 60;
        seconds += *at == '+' ? -offset : offset;
        at += 6;
    }
    value = seconds * 1000000000 + fraction;
    return at;
}

static const char *read_duration(const char *at, std::int64_t &value)
{
    std::int64_t whole = 0, fraction;
    for (; is_digit(*at); at++)
        whole = whole * 10 + (*at - '0');
    at = read_billionths(at, fraction);
    switch (*at) {
    case 'n': value = whole; return at + 2;
    case 'u': value = whole * 1000 + fraction / 1000000; return at + 2;
    case 'm': value = whole * 1000000 + fraction / 1000; return at + 2;
    default: value = whole * 1000000000 + fraction; return at + 1;
    }
}

static const char *read_status(const char *at, std::int32_t &status)
{
    bool negative = *at == '-';
    std::int32_t value = 0;
    for (at += negative; is_digit(*at); at++)
        value = value * 10 + (*at - '0');
    status = negative ? -value : value;
    return at;
}

static const char *read_level(const char *at, std::uint8_t &level)
{
    switch (*at) {
    case 'd': level = DEBUG; return at + 5;
    case 'i': level = INFO; return at + 4;
    case 'w': level = WARN; return at + 4;
    default: level = ERROR; return at + 5;
    }
}

void parse_log(const char *text, std::size_t, const Columns &out)
{
    Users users;
    Arena arena;
    char *to = out.messages;
    const char *at = text;
    for (std::size_t row = 0; row < out.rows; row++, at++) {
        out.time[row] = NO_TIME;
        out.duration[row] = NO_DURATION;
        out.status[row] = NO_STATUS;
        out.level[row] = NO_LEVEL;
        out.user[row] = NO_USER;
        while (*at != '\n') {
            const char *key = at;
            while (*at != '=')
                at++;
            string_view name(key, static_cast<std::size_t>(at - key));
            at++;
            if (name == "ts")
                at = read_time(at, out.time[row]);
            else if (name == "dur")
                at = read_duration(at, out.duration[row]);
            else if (name == "status")
                at = read_status(at, out.status[row]);
            else if (name == "level")
                at = read_level(at, out.level[row]);
            else if (name == "user")
                at = read_user(at, users, arena, out.user[row]);
            else if (name == "msg")
                at = read_message(at, to);
            else
                at = skip(at);
            at += *at == ' ';
        }
        out.message_end[row] = static_cast<std::uint32_t>(to - out.messages);
    }
}
