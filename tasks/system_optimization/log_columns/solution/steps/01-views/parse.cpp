/* Log lines to typed columns: views of the text instead of streams and maps of copies. */
#include "columns.h"

#include <charconv>
#include <ctime>
#include <string>
#include <string_view>
#include <unordered_map>
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

static void append(std::string &to, const Field &field)
{
    if (!field.quoted) {
        to += field.value;
        return;
    }
    for (std::size_t i = 0; i < field.value.size(); i++) {
        char c = field.value[i];
        if (c == '\\') {
            c = field.value[++i];
            c = c == 'n' ? '\n' : c == 't' ? '\t' : c;
        }
        to += c;
    }
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

static std::int64_t time_of(string_view text)
{
    std::tm date{};
    date.tm_year = number<int>(text.substr(0, 4)) - 1900;
    date.tm_mon = number<int>(text.substr(5, 2)) - 1;
    date.tm_mday = number<int>(text.substr(8, 2));
    date.tm_hour = number<int>(text.substr(11, 2));
    date.tm_min = number<int>(text.substr(14, 2));
    date.tm_sec = number<int>(text.substr(17, 2));
    std::size_t at = 19;
    std::int64_t fraction = billionths(text, at), seconds = timegm(&date);
    if (text[at] != 'Z') {
        int hours = number<int>(text.substr(at + 1, 2)), minutes = number<int>(text.substr(at + 4, 2));
        int offset = (hours * 60 + minutes) * 60;
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
    std::unordered_map<std::string, std::uint32_t> users;
    std::vector<Field> fields;
    std::string messages, name;
    messages.reserve(out.message_bytes);
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
                name.clear();
                append(name, field);
                auto next = static_cast<std::uint32_t>(users.size());
                out.user[row] = users.emplace(name, next).first->second;
            } else if (field.key == "msg") {
                append(messages, field);
            }
        }
        out.message_end[row] = static_cast<std::uint32_t>(messages.size());
    }
    messages.copy(out.messages, out.message_bytes);
}
