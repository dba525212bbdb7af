/* Log lines to typed columns: views of the text, users in a table of views, dates by arithmetic. */
#include "columns.h"

#include <charconv>
#include <cstring>
#include <string_view>
#include <vector>

using std::string_view;

struct Field {
    string_view key, value;
    bool quoted; /* value is what stands between the quotes, escapes and all */
};

static void split(string_view line, std::vector<Field> &fields)
{
    fields.clear();
    std::size_t at = 0;
    while (at < line.size()) {
        std::size_t equals = line.find('=', at);
        string_view key = line.substr(at, equals - at);
        at = equals + 1;
        bool quoted = at < line.size() && line[at] == '"';
        std::size_t begin = at + quoted, end = begin;
        if (quoted) {
            while (line[end] != '"')
                end += line[end] == '\\' ? 2 : 1;
        } else {
            while (end < line.size() && line[end] != ' ')
                end++;
        }
        fields.push_back({key, line.substr(begin, end - begin), quoted});
        at = end + quoted + 1;
    }
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

static char *copy(char *to, const Field &field)
{
    if (!field.quoted) {
        std::memcpy(to, field.value.data(), field.value.size());
        return to + field.value.size();
    }
    for (std::size_t i = 0; i < field.value.size(); i++)
        *to++ = field.value[i] == '\\' ? unescaped(field.value[++i]) : field.value[i];
    return to;
}

static std::uint32_t number_of(Users &users, Arena &arena, const Field &field)
{
    if (!field.quoted || field.value.find('\\') == string_view::npos)
        return users.number(field.value);
    char *name = arena.room(field.value.size());
    auto size = static_cast<std::size_t>(copy(name, field) - name);
    arena.keep(size);
    return users.number({name, size});
}

template <typename Number> static Number number(string_view text)
{
    Number value{};
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
}

/* The digits after a point at `at`, if there is one, as billionths; `at` moves behind them. */
static std::int64_t billionths(string_view text, std::size_t &at)
{
    if (at >= text.size() || text[at] != '.')
        return 0;
    std::int64_t value = 0;
    int digits = 0;
    for (at++; at < text.size() && text[at] >= '0' && text[at] <= '9'; at++, digits++)
        value = value * 10 + (text[at] - '0');
    for (; digits < 9; digits++)
        value *= 10;
    return value;
}

/* Days from 1970-01-01 in the Gregorian calendar. A year that begins in March ends with the leap day,
 * so that the months before it have a regular pattern of 153 days in five. */
static std::int64_t days_to(int year, int month, int day)
{
    int shifted = month > 2 ? month - 3 : month + 9;
    if (month <= 2)
        year--;
    int leap_days = year / 4 - year / 100 + year / 400;
    return std::int64_t{year} * 365 + leap_days + (153 * shifted + 2) / 5 + day - 719469;
}

static int two(const char *digits)
{
    return (digits[0] - '0') * 10 + (digits[1] - '0');
}

static std::int64_t time_of(string_view text)
{
    const char *c = text.data();
    std::int64_t seconds = days_to(two(c) * 100 + two(c + 2), two(c + 5), two(c + 8)) * 86400 +
                           two(c + 11) * 3600 + two(c + 14) * 60 + two(c + 17);
    std::size_t at = 19;
    std::int64_t fraction = billionths(text, at);
    if (text[at] != 'Z') {
        int offset = two(c + at + 1) * 3600 + two(c + at + 4) * 60;
        seconds += text[at] == '+' ? -offset : offset;
    }
    return seconds * 1000000000 + fraction;
}

static std::int64_t duration_of(string_view text)
{
    auto whole = number<std::int64_t>(text);
    std::size_t at = text.find_first_not_of("0123456789");
    std::int64_t fraction = billionths(text, at);
    string_view unit = text.substr(at);
    std::int64_t size = unit == "ns" ? 1 : unit == "us" ? 1000 : unit == "ms" ? 1000000 : 1000000000;
    return whole * size + fraction * size / 1000000000;
}

static std::uint8_t level_of(string_view text)
{
    return text == "debug" ? DEBUG : text == "info" ? INFO : text == "warn" ? WARN : ERROR;
}

void parse_log(const char *text, std::size_t size, const Columns &out)
{
    Users users;
    Arena arena;
    std::vector<Field> fields;
    char *to = out.messages;
    string_view left(text, size);
    for (std::size_t row = 0; row < out.rows; row++) {
        std::size_t end = left.find('\n');
        split(left.substr(0, end), fields);
        left.remove_prefix(end + 1);
        out.time[row] = NO_TIME;
        out.duration[row] = NO_DURATION;
        out.status[row] = NO_STATUS;
        out.level[row] = NO_LEVEL;
        out.user[row] = NO_USER;
        for (const Field &field : fields) {
            if (field.key == "ts") {
                out.time[row] = time_of(field.value);
            } else if (field.key == "dur") {
                out.duration[row] = duration_of(field.value);
            } else if (field.key == "status") {
                out.status[row] = number<std::int32_t>(field.value);
            } else if (field.key == "level") {
                out.level[row] = level_of(field.value);
            } else if (field.key == "user") {
                out.user[row] = number_of(users, arena, field);
            } else if (field.key == "msg") {
                to = copy(to, field);
            }
        }
        out.message_end[row] = static_cast<std::uint32_t>(to - out.messages);
    }
}
