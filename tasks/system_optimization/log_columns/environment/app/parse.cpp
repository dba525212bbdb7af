/* Log lines to typed columns: split each line into a map of fields, then convert the known ones.
 * This is the file to improve. */
#include "columns.h"

#include <ctime>
#include <iomanip>
#include <map>
#include <sstream>
#include <string>

using Fields = std::map<std::string, std::string>;

/* The fields of a line; quoted values without their quotes and escapes. */
static Fields split(const std::string &line)
{
    Fields fields;
    std::istringstream in(line);
    std::string key;
    while (std::getline(in, key, '=')) {
        std::string value;
        if (in.peek() == '"') {
            in.get();
            for (char c; in.get(c) && c != '"';) {
                if (c == '\\') {
                    in.get(c);
                    c = c == 'n' ? '\n' : c == 't' ? '\t' : c;
                }
                value += c;
            }
            in.get(); /* the space after it, if any */
        } else {
            std::getline(in, value, ' ');
        }
        fields[key] = value;
    }
    return fields;
}

/* Up to nine digits after a point, as billionths. */
static std::int64_t billionths(std::istringstream &in)
{
    std::string digits;
    while (std::isdigit(in.peek()))
        digits += static_cast<char>(in.get());
    digits.resize(9, '0');
    return std::stoll(digits);
}

static std::int64_t time_of(const std::string &text)
{
    std::istringstream in(text);
    std::tm date{};
    in >> std::get_time(&date, "%Y-%m-%dT%H:%M:%S");
    std::int64_t fraction = 0;
    if (in.peek() == '.') {
        in.get();
        fraction = billionths(in);
    }
    std::int64_t seconds = timegm(&date);
    char zone = 'Z';
    in >> zone;
    if (zone != 'Z') {
        int hours, minutes;
        char colon;
        in >> hours >> colon >> minutes;
        int offset = (hours * 60 + minutes) * 60;
        seconds += zone == '+' ? -offset : offset;
    }
    return seconds * 1000000000 + fraction;
}

static std::int64_t duration_of(const std::string &text)
{
    static const std::map<std::string, std::int64_t> units = {
        {"ns", 1}, {"us", 1000}, {"ms", 1000000}, {"s", 1000000000}};
    std::istringstream in(text);
    std::int64_t whole = 0, fraction = 0;
    in >> whole;
    if (in.peek() == '.') {
        in.get();
        fraction = billionths(in);
    }
    std::string unit;
    in >> unit;
    std::int64_t size = units.at(unit);
    return whole * size + fraction * size / 1000000000;
}

void parse_log(const char *text, std::size_t size, const Columns &out)
{
    static const std::map<std::string, std::uint8_t> levels = {
        {"debug", DEBUG}, {"info", INFO}, {"warn", WARN}, {"error", ERROR}};
    std::map<std::string, std::uint32_t> users;
    std::string messages;
    std::istringstream lines(std::string(text, size));
    std::string line;
    for (std::size_t row = 0; row < out.rows && std::getline(lines, line); row++) {
        Fields fields = split(line);
        out.time[row] = fields.count("ts") ? time_of(fields["ts"]) : NO_TIME;
        out.duration[row] = fields.count("dur") ? duration_of(fields["dur"]) : NO_DURATION;
        out.status[row] = fields.count("status") ? std::stoi(fields["status"]) : NO_STATUS;
        out.level[row] = fields.count("level") ? levels.at(fields["level"]) : NO_LEVEL;
        out.user[row] = NO_USER;
        if (fields.count("user")) {
            auto number = static_cast<std::uint32_t>(users.size());
            out.user[row] = users.emplace(fields["user"], number).first->second;
        }
        if (fields.count("msg"))
            messages += fields["msg"];
        out.message_end[row] = static_cast<std::uint32_t>(messages.size());
    }
    messages.copy(out.messages, out.message_bytes);
}
