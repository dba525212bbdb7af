/*
 * Measure parse.cpp yourself: ./bench_columns check | time ROWS.
 * Pinned, and only for you: the verifier has its own driver, clock and logs, which are stranger.
 * Lines are written from values chosen beforehand, so that the right columns are known.
 */
#include "columns.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include <sys/mman.h>

namespace {

std::uint64_t random_state = 88172645463325252u;

std::uint32_t random_number(std::uint32_t below)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return static_cast<std::uint32_t>(random_state >> 32) % below;
}

struct Table {
    std::vector<std::int64_t> time, duration;
    std::vector<std::uint32_t> user, message_end;
    std::vector<std::int32_t> status;
    std::vector<std::uint8_t> level;
    std::string messages;
};

struct Log {
    std::string text;
    Table right;
    std::map<std::string, std::uint32_t> users;
};

std::string quoted(const std::string &plain)
{
    std::string text = "\"";
    for (char c : plain)
        switch (c) {
        case '\n': text += "\\n"; break;
        case '\t': text += "\\t"; break;
        case '"': case '\\': text += '\\'; [[fallthrough]];
        default: text += c;
        }
    return text + '"';
}

std::string some_text(std::uint32_t most)
{
    static const char letters[] = "abcdefghijklmnop qrstuvwxyz=0123456789   ";
    std::string text;
    bool odd = random_number(4) == 0;
    for (std::uint32_t left = random_number(most + 1); left > 0; left--)
        text += odd && random_number(8) == 0 ? "\"\\\n\t"[random_number(4)]
                                             : letters[random_number(sizeof letters - 1)];
    return text;
}

std::string two(int number)
{
    return {static_cast<char>('0' + number / 10 % 10), static_cast<char>('0' + number % 10)};
}

/* A day counted one by one from 1970: slow, and nothing to get wrong. */
std::int64_t days_to(int year, int month, int day)
{
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    auto leap = [](int y) { return (y % 4 == 0 && y % 100 != 0) || y % 400 == 0; };
    std::int64_t days = 0;
    for (int y = 1970; y < year; y++)
        days += leap(y) ? 366 : 365;
    for (int y = year; y < 1970; y++)
        days -= leap(y) ? 366 : 365;
    for (int m = 1; m < month; m++)
        days += lengths[m - 1] + (m == 2 && leap(year));
    return days + day - 1;
}

std::string fraction(std::int64_t &billionths)
{
    std::uint32_t digits = random_number(10);
    billionths = 0;
    if (digits == 0)
        return "";
    std::string text = ".";
    std::int64_t unit = 1000000000;
    for (; digits > 0; digits--) {
        std::uint32_t digit = random_number(10);
        text += static_cast<char>('0' + digit);
        billionths += digit * (unit /= 10);
    }
    return text;
}

std::string some_time(std::int64_t &value, bool any_year)
{
    int year = any_year ? 1700 + static_cast<int>(random_number(550)) : 2031;
    int month = 1 + static_cast<int>(random_number(any_year ? 12 : 1));
    int day = 1 + static_cast<int>(random_number(28)), hour = static_cast<int>(random_number(24));
    int minute = static_cast<int>(random_number(60)), second = static_cast<int>(random_number(60));
    std::int64_t part;
    std::string text = std::to_string(year) + "-" + two(month) + "-" + two(day) + "T" + two(hour) +
                       ":" + two(minute) + ":" + two(second) + fraction(part);
    std::int64_t offset = 0;
    if (random_number(2)) {
        int hours = static_cast<int>(random_number(15)), minutes = static_cast<int>(random_number(60));
        bool east = random_number(2);
        text += (east ? "+" : "-") + two(hours) + ":" + two(minutes);
        offset = (east ? 60 : -60) * (hours * 60 + minutes);
    } else {
        text += "Z";
    }
    std::int64_t seconds = days_to(year, month, day) * 86400 + hour * 3600 + minute * 60 + second;
    value = (seconds - offset) * 1000000000 + part;
    return text;
}

std::string some_duration(std::int64_t &value)
{
    static const char *const names[] = {"ns", "us", "ms", "s"};
    static const std::int64_t sizes[] = {1, 1000, 1000000, 1000000000};
    std::uint32_t unit = random_number(4), whole = random_number(1000000);
    std::int64_t part;
    std::string text = std::to_string(whole) + fraction(part) + names[unit];
    value = whole * sizes[unit] + part * sizes[unit] / 1000000000;
    return text;
}

void add_line(Log &log, bool any_year, std::uint32_t people)
{
    static const char *const levels[] = {"debug", "info", "warn", "error"};
    static const char *const others[] = {"host", "trace", "users", "t", "msgs", "lev"};
    std::vector<std::string> fields;
    Table &right = log.right;
    auto has = [] { return random_number(8) != 0; };
    right.time.push_back(NO_TIME);
    if (has())
        fields.push_back("ts=" + some_time(right.time.back(), any_year));
    right.duration.push_back(NO_DURATION);
    if (has())
        fields.push_back("dur=" + some_duration(right.duration.back()));
    right.status.push_back(NO_STATUS);
    if (has()) {
        right.status.back() = static_cast<std::int32_t>(random_number(1000)) - 100;
        fields.push_back("status=" + std::to_string(right.status.back()));
    }
    right.level.push_back(NO_LEVEL);
    if (has()) {
        right.level.back() = static_cast<std::uint8_t>(random_number(4));
        fields.push_back(std::string("level=") + levels[right.level.back()]);
    }
    std::string user;
    if (has()) {
        user = "person" + std::to_string(random_number(people) * 7919);
        fields.push_back("user=" + (random_number(3) ? user : quoted(user)));
        right.user.push_back(0); /* once the order is known */
    } else {
        right.user.push_back(NO_USER);
    }
    if (has()) {
        std::string message = some_text(60);
        fields.push_back("msg=" + quoted(message));
        right.messages += message;
    }
    right.message_end.push_back(static_cast<std::uint32_t>(right.messages.size()));
    for (std::uint32_t more = random_number(3); more > 0; more--) {
        std::string key = std::string(others[random_number(3) * 2 + more - 1]) + "=";
        fields.push_back(key + (random_number(2) ? quoted(some_text(30)) : "5f" + std::to_string(more)));
    }
    for (std::size_t i = fields.size(); i > 1; i--)
        std::swap(fields[i - 1], fields[random_number(static_cast<std::uint32_t>(i))]);
    if (right.user.back() != NO_USER)
        right.user.back() =
            log.users.emplace(user, static_cast<std::uint32_t>(log.users.size())).first->second;
    for (std::size_t i = 0; i < fields.size(); i++)
        log.text += (i ? " " : "") + fields[i];
    log.text += '\n';
}

/* The text at the end of its last page, with nothing readable after it. */
class Placed {
public:
    explicit Placed(const std::string &text)
    {
        size_ = (text.size() + 4095) / 4096 * 4096 + 4096;
        void *at = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (at == MAP_FAILED)
            std::abort();
        base_ = static_cast<char *>(at);
        begin_ = base_ + size_ - 4096 - text.size();
        std::memcpy(begin_, text.data(), text.size());
        mprotect(base_, size_ - 4096, PROT_READ);
        mprotect(base_ + size_ - 4096, 4096, PROT_NONE);
    }
    ~Placed() { munmap(base_, size_); }
    Placed(const Placed &) = delete;
    Placed &operator=(const Placed &) = delete;
    const char *begin() const { return begin_; }

private:
    char *base_, *begin_;
    std::size_t size_;
};

Table empty_table(std::size_t rows, std::size_t message_bytes)
{
    Table table;
    table.time.assign(rows, 0x5A5A5A5A);
    table.duration.assign(rows, 0x5A5A5A5A);
    table.user.assign(rows, 0x5A5A5A5A);
    table.status.assign(rows, 0x5A5A5A5A);
    table.message_end.assign(rows, 0x5A5A5A5A);
    table.level.assign(rows, 0x5A);
    table.messages.assign(message_bytes, '\x5A');
    return table;
}

double parse(const Log &log, const Placed &placed, Table &table)
{
    Columns out{};
    out.rows = static_cast<std::uint32_t>(log.right.time.size());
    out.message_bytes = static_cast<std::uint32_t>(log.right.messages.size());
    out.time = table.time.data();
    out.duration = table.duration.data();
    out.user = table.user.data();
    out.status = table.status.data();
    out.message_end = table.message_end.data();
    out.level = table.level.data();
    out.messages = table.messages.data();
    auto start = std::chrono::steady_clock::now();
    parse_log(placed.begin(), log.text.size(), out);
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

bool same(const Table &found, const Table &right)
{
    auto differ = [&](const char *column, const auto &a, const auto &b) {
        auto at = std::mismatch(a.begin(), a.end(), b.begin()).first - a.begin();
        if (at == static_cast<std::ptrdiff_t>(a.size()))
            return false;
        std::printf("WRONG %s[%td] is %lld and should be %lld\n", column, at,
                    static_cast<long long>(a[static_cast<std::size_t>(at)]),
                    static_cast<long long>(b[static_cast<std::size_t>(at)]));
        return true;
    };
    return !(differ("time", found.time, right.time) ||
             differ("duration", found.duration, right.duration) ||
             differ("user", found.user, right.user) || differ("status", found.status, right.status) ||
             differ("message_end", found.message_end, right.message_end) ||
             differ("level", found.level, right.level) ||
             differ("messages", found.messages, right.messages));
}

Log make_log(std::size_t rows, bool any_year)
{
    Log log;
    for (std::size_t i = 0; i < rows; i++)
        add_line(log, any_year, static_cast<std::uint32_t>(rows / 20 + 3));
    return log;
}

int check()
{
    bool right = true;
    for (std::size_t rows : {1, 2, 7, 50, 300, 3000, 20000}) {
        Log log = make_log(rows, rows != 7);
        Placed placed(log.text);
        Table table = empty_table(rows, log.right.messages.size());
        parse(log, placed, table);
        right = right && same(table, log.right);
    }
    std::puts(right ? "check: ok" : "check: FAILED");
    return right ? 0 : 1;
}

int measure(std::size_t rows)
{
    std::vector<double> times;
    std::size_t bytes = 0;
    for (int i = 0; i < 5; i++) {
        Log log = make_log(rows, false);
        Placed placed(log.text);
        Table table = empty_table(rows, log.right.messages.size());
        times.push_back(parse(log, placed, table));
        bytes = log.text.size();
    }
    std::sort(times.begin(), times.end());
    std::printf("%zu rows, %.1f MB: median %.3f ms of 5, %.0f ns a line\n", rows,
                static_cast<double>(bytes) * 1e-6, times[2] * 1e3,
                times[2] * 1e9 / static_cast<double>(rows));
    return 0;
}

} // namespace

int main(int argc, char **argv)
{
    if (argc == 2 && std::strcmp(argv[1], "check") == 0)
        return check();
    if (argc == 3 && std::strcmp(argv[1], "time") == 0 && std::atol(argv[2]) > 0)
        return measure(static_cast<std::size_t>(std::atol(argv[2])));
    std::fprintf(stderr, "usage: %s check | time ROWS\n", argv[0]);
    return 2;
}
