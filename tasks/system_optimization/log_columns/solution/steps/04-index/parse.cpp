/* Log lines to typed columns in two passes: vectors find where all fields end, then each field is put
 * in its column's place and converted, eight digits at a time.
 *
 * Vectors read past the end of what they look at, so that the last lines are parsed from a copy with
 * room behind it. */
#include "columns.h"

#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#if defined(__SSE2__)
#include <immintrin.h>
#endif

using std::string_view;

static inline bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline int two(const char *digits)
{
    return (digits[0] - '0') * 10 + (digits[1] - '0');
}

/* Blocks of 64 bytes, and masks with one bit for each of them. */
constexpr std::size_t BLOCK = 64;

#if defined(__AVX2__)
class Block {
public:
    explicit Block(const char *at)
        : low_(_mm256_loadu_si256(reinterpret_cast<const __m256i *>(at))),
          high_(_mm256_loadu_si256(reinterpret_cast<const __m256i *>(at + 32)))
    {
    }
    std::uint64_t equal(char c) const
    {
        __m256i wanted = _mm256_set1_epi8(c);
        return bits(_mm256_cmpeq_epi8(low_, wanted)) | bits(_mm256_cmpeq_epi8(high_, wanted)) << 32;
    }

private:
    static std::uint64_t bits(__m256i found)
    {
        return static_cast<std::uint32_t>(_mm256_movemask_epi8(found));
    }
    __m256i low_, high_;
};
#elif defined(__SSE2__)
class Block {
public:
    explicit Block(const char *at)
    {
        for (int i = 0; i < 4; i++)
            part_[i] = _mm_loadu_si128(reinterpret_cast<const __m128i *>(at) + i);
    }
    std::uint64_t equal(char c) const
    {
        __m128i wanted = _mm_set1_epi8(c);
        std::uint64_t found = 0;
        for (int i = 0; i < 4; i++) {
            __m128i same = _mm_cmpeq_epi8(part_[i], wanted);
            found |= std::uint64_t{static_cast<std::uint32_t>(_mm_movemask_epi8(same))} << 16 * i;
        }
        return found;
    }

private:
    __m128i part_[4];
};
#else
class Block {
public:
    explicit Block(const char *at) : at_(at) {}
    std::uint64_t equal(char c) const
    {
        std::uint64_t found = 0;
        for (std::size_t i = 0; i < BLOCK; i++)
            found |= static_cast<std::uint64_t>(at_[i] == c) << i;
        return found;
    }

private:
    const char *at_;
};
#endif

/* Each bit becomes the parity of itself and all below it: set from an opening quote to its end. */
static inline std::uint64_t parity(std::uint64_t bits)
{
#if defined(__PCLMUL__)
    __m128i ones = _mm_set1_epi8(-1), value = _mm_set_epi64x(0, static_cast<long long>(bits));
    return static_cast<std::uint64_t>(_mm_cvtsi128_si64(_mm_clmulepi64_si128(value, ones, 0)));
#else
    for (int shift = 1; shift < 64; shift *= 2)
        bits ^= bits << shift;
    return bits;
#endif
}

static inline std::uint64_t word_at(const char *at)
{
    std::uint64_t word;
    std::memcpy(&word, at, 8);
    return word;
}

/* A mask of the first `count` bytes of a word, at most 8. */
static inline std::uint64_t first(std::size_t count)
{
    return count == 8 ? ~std::uint64_t{0} : (std::uint64_t{1} << 8 * count) - 1;
}

/* Open addressing over views, behind each of which sixteen bytes can be read. A slot holds the first
 * sixteen bytes: most names are told apart, and recognized, without another look at the text. */
class Users {
public:
    Users() : slots_(1024) {}

    std::uint32_t number(string_view name)
    {
        std::size_t size = name.size();
        std::uint64_t low = word_at(name.data()) & first(size < 8 ? size : 8);
        std::uint64_t high = word_at(name.data() + 8) & first(size < 8 ? 0 : size < 16 ? size - 8 : 8);
        std::uint64_t hash = mix(mix(low + size) ^ high);
        if (size > 16)
            hash = hash_on(hash, name);
        for (std::size_t i = hash & (slots_.size() - 1);; i = (i + 1) & (slots_.size() - 1)) {
            Slot &slot = slots_[i];
            if (slot.number == NO_USER) {
                slot = {low, high, hash, name, count_++};
                std::uint32_t number = slot.number;
                if (count_ * 2 > slots_.size())
                    grow();
                return number;
            }
            bool alike = slot.low == low && slot.high == high && slot.name.size() == size;
            if (alike && (size <= 16 || slot.name == name))
                return slot.number;
        }
    }

private:
    struct Slot {
        std::uint64_t low = 0, high = 0, hash = 0;
        string_view name;
        std::uint32_t number = NO_USER;
    };

    static std::uint64_t mix(std::uint64_t value)
    {
        value *= 0x9E3779B97F4A7C15u;
        return value ^ value >> 32;
    }

    static std::uint64_t hash_on(std::uint64_t hash, string_view name)
    {
        std::size_t at = 16;
        for (; at + 8 <= name.size(); at += 8)
            hash = mix(hash ^ word_at(name.data() + at));
        return mix(hash ^ (word_at(name.data() + at) & first(name.size() - at)));
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
            left_ = size > CHUNK ? size : CHUNK;
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
    static constexpr std::size_t CHUNK = 1 << 16;
    std::vector<std::vector<char>> blocks_;
    char *at_ = nullptr;
    std::size_t left_ = 0;
};

static inline char unescaped(char c)
{
    return c == 'n' ? '\n' : c == 't' ? '\t' : c;
}

/* The readers take a value at `at`, and return where it ended if that is of use. */

/* Copies a quoted value from its first byte; whole blocks where there is room before `limit`. */
static inline void copy_quoted(const char *at, char *&to, const char *limit)
{
    for (;;) {
        Block block(at);
        std::uint64_t found = block.equal('"') | block.equal('\\');
        std::size_t size = found ? static_cast<std::size_t>(__builtin_ctzll(found)) : BLOCK;
        if (static_cast<std::size_t>(limit - to) >= BLOCK)
            std::memcpy(to, at, BLOCK);
        else
            std::memcpy(to, at, size);
        at += size;
        to += size;
        if (!found)
            continue;
        if (*at == '"')
            return;
        *to++ = unescaped(at[1]);
        at += 2;
    }
}

/* A digit is its byte's low half; what is not a digit has 10 or more there once '0' is taken away. */
constexpr std::uint64_t ZEROS = 0x3030303030303030u;

/* Reads one to ten digits; `count` is how many. */
static inline const char *read_digits(const char *at, std::int64_t &value, std::size_t &count)
{
    static const std::uint64_t HIGH = 0x8080808080808080u, LIMIT = 0x7676767676767676u;
    std::uint64_t word = word_at(at) ^ ZEROS;
    std::uint64_t others = ((word + LIMIT) | word) & HIGH;
    std::size_t size = others ? static_cast<std::size_t>(__builtin_ctzll(others)) / 8 : 8;
    if (size == 0) {
        value = 0;
        count = 0;
        return at;
    }
    word <<= 8 * (8 - size);
    word = word * 10 + (word >> 8);
    const std::uint64_t pair = 0x000000FF000000FFu;
    word = ((word & pair) * 0x000F424000000064u + ((word >> 16) & pair) * 0x0000271000000001u) >> 32;
    value = static_cast<std::int64_t>(word);
    for (at += size; size >= 8 && is_digit(*at); at++, size++)
        value = value * 10 + (*at - '0');
    count = size;
    return at;
}

static inline const char *read_billionths(const char *at, std::int64_t &value)
{
    static const std::int64_t scale[10] = {1000000000, 100000000, 10000000, 1000000, 100000,
                                           10000,      1000,      100,      10,      1};
    value = 0;
    if (*at != '.')
        return at;
    std::size_t count;
    at = read_digits(at + 1, value, count);
    value *= scale[count];
    return at;
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

/* The last date seen, as text and as seconds: a log's lines seldom change it. */
struct Date {
    std::uint64_t month = 0; /* "YYYY-MM-" */
    std::uint16_t day = 0;   /* "DD" */
    std::int64_t seconds = 0;
};

static inline const char *read_time(const char *at, Date &date, std::int64_t &value)
{
    std::uint64_t month = word_at(at);
    std::uint16_t day;
    std::memcpy(&day, at + 8, 2);
    if (month != date.month || day != date.day) {
        date = {month, day, 0};
        date.seconds = days_to(two(at) * 100 + two(at + 2), two(at + 5), two(at + 8)) * 86400;
    }
    std::uint64_t clock = word_at(at + 11) & 0x0F0F0F0F0F0F0F0Fu; /* hh:mm:ss */
    clock = clock * 10 + (clock >> 8);
    auto hours = static_cast<std::int64_t>(clock & 0xFF);
    auto minutes = static_cast<std::int64_t>(clock >> 24 & 0xFF);
    auto seconds = static_cast<std::int64_t>(clock >> 48 & 0xFF);
    seconds += date.seconds + hours * 3600 + minutes * 60;
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

static inline const char *read_duration(const char *at, std::int64_t &value)
{
    static const std::int64_t sizes[8] = {0, 1000000000, 1000, 0, 0, 0, 1000000, 1};
    std::int64_t whole, fraction;
    std::size_t count;
    at = read_billionths(read_digits(at, whole, count), fraction);
    std::int64_t size = sizes[*at >> 1 & 7]; /* s, us, ms, ns */
    value = whole * size + static_cast<std::int64_t>(static_cast<std::uint64_t>(fraction * size) / 1000000000);
    return at + 2 - (*at == 's');
}

static inline const char *read_status(const char *at, std::int32_t &status)
{
    bool negative = *at == '-';
    std::int64_t value;
    std::size_t count;
    at = read_digits(at + negative, value, count);
    status = static_cast<std::int32_t>(negative ? -value : value);
    return at;
}

static inline const char *read_level(const char *at, std::uint8_t &level)
{
    static const std::uint8_t levels[8] = {0, INFO, 0, 0, DEBUG, ERROR, 0, WARN};
    static const std::uint8_t lengths[8] = {0, 4, 0, 0, 5, 5, 0, 4};
    level = levels[*at & 7];
    return at + lengths[*at & 7];
}

namespace {

/* Finds the spaces and newlines that end fields: those outside of quotes. */
class Separators {
public:
    /* Their places in the block at `at`, as bits. */
    std::uint64_t next(const char *at)
    {
        Block block(at);
        std::uint64_t quotes = block.equal('"'), slashes = block.equal('\\');
        if (slashes | escaped_)
            quotes &= ~escaped(slashes);
        std::uint64_t inside = parity(quotes) ^ inside_;
        inside_ = static_cast<std::uint64_t>(static_cast<std::int64_t>(inside) >> 63);
        return (block.equal(' ') | block.equal('\n')) & ~inside;
    }

private:
    /* Which bytes have a backslash before them that is not itself escaped. */
    std::uint64_t escaped(std::uint64_t slashes)
    {
        std::uint64_t found = escaped_;
        for (std::uint64_t left = slashes & ~found; left;) {
            std::uint64_t slash = left & -left, after = slash << 1;
            found |= after;
            left &= ~(slash | after);
        }
        escaped_ = (slashes & ~found) >> 63;
        return found;
    }

    std::uint64_t inside_ = 0, escaped_ = 0; /* from one block to the next */
};

/*
 * First the ends of all fields of a stretch of text, then the fields. Where a field begins does not
 * depend on what the one before it was, so that the processor works on several at the same time. A
 * field is only put in its column's place at first, which is the same work for every key; the values
 * are then converted in one order, whatever the order of the line. Hardly any branch is left that the
 * processor would have to guess.
 */
class Parser {
public:
    explicit Parser(const Columns &out) : out_(out), to_(out.messages) {}

    /* The lines from `at` to `end`, behind which BLOCK bytes can be read. */
    void parse(const char *at, const char *end)
    {
        const char *ends[BATCH + BLOCK];
        Separators separators;
        const char *begin = at;
        while (at < end) {
            const char **last = ends;
            for (; at < end && last < ends + BATCH; at += BLOCK) {
                __builtin_prefetch(at + AHEAD);
                std::uint64_t found = separators.next(at);
                if (end - at < static_cast<std::ptrdiff_t>(BLOCK))
                    found &= (std::uint64_t{1} << (end - at)) - 1;
                const char **stop = last + __builtin_popcountll(found);
                /* Four at a time, and then perhaps too many: fewer turns to guess. */
                for (; last < stop; last += 4)
                    for (int i = 0; i < 4; i++, found &= found - 1)
                        last[i] = at + (found ? __builtin_ctzll(found) : 0);
                last = stop;
            }
            for (const char **one = ends; one < last; begin = *one++ + 1) {
                place(begin);
                if (**one == '\n')
                    convert();
            }
        }
    }

private:
    static constexpr std::size_t BATCH = 2048;
    static constexpr std::size_t AHEAD = 2048; /* of text that is asked for early */
    enum Column : unsigned { UNKNOWN, TIME, DURATION, STATUS, LEVEL, USER, MESSAGE };

    /* Known keys by a hash of their first bytes, with their equals sign. */
    struct Key {
        std::uint64_t text, mask;
        unsigned size;
        Column column;
    };
    struct Keys {
        Key slot[32] = {};
        Keys()
        {
            const struct {
                const char *text;
                Column column;
            } known[] = {{"ts=", TIME},     {"dur=", DURATION}, {"status=", STATUS},
                         {"level=", LEVEL}, {"user=", USER},    {"msg=", MESSAGE}};
            for (const auto &key : known) {
                std::uint64_t text = 0;
                std::size_t size = std::strlen(key.text);
                std::memcpy(&text, key.text, size);
                slot[hash(text)] = {text, first(size), static_cast<unsigned>(size), key.column};
            }
        }
        /* The third letters differ in their low five bits; "ts=" has the sign there. */
        static std::size_t hash(std::uint64_t text) { return text >> 16 & 31; }
    };

    void place(const char *begin)
    {
        std::uint64_t text = word_at(begin);
        const Key &key = keys_.slot[Keys::hash(text)];
        Column column = (text & key.mask) == key.text ? key.column : UNKNOWN;
        values_[column] = begin + key.size;
        present_ |= 1u << column;
    }

    void convert()
    {
        std::size_t row = row_++;
        unsigned present = present_;
        present_ = 0;
        out_.time[row] = NO_TIME;
        out_.duration[row] = NO_DURATION;
        out_.status[row] = NO_STATUS;
        out_.level[row] = NO_LEVEL;
        out_.user[row] = NO_USER;
        if (present & 1u << TIME)
            read_time(values_[TIME], date_, out_.time[row]);
        if (present & 1u << DURATION)
            read_duration(values_[DURATION], out_.duration[row]);
        if (present & 1u << STATUS)
            read_status(values_[STATUS], out_.status[row]);
        if (present & 1u << LEVEL)
            read_level(values_[LEVEL], out_.level[row]);
        if (present & 1u << USER)
            out_.user[row] = user(values_[USER]);
        if (present & 1u << MESSAGE)
            message(values_[MESSAGE]);
        out_.message_end[row] = static_cast<std::uint32_t>(to_ - out_.messages);
    }

    Columns out_;
    char *to_;
    std::size_t row_ = 0;
    const char *values_[MESSAGE + 1] = {};
    unsigned present_ = 0;
    Keys keys_;
    Users users_;
    Arena arena_;
    Date date_;

    /* How many bytes a bare value has. */
    static std::size_t bare(const char *at)
    {
        for (std::size_t size = 0;; size += BLOCK) {
            Block block(at + size);
            if (std::uint64_t found = block.equal(' ') | block.equal('\n'))
                return size + static_cast<std::size_t>(__builtin_ctzll(found));
        }
    }

    std::uint32_t user(const char *at)
    {
        if (*at != '"')
            return users_.number({at, bare(at)});
        at++;
        std::size_t size = 0;
        std::uint64_t quotes, slashes;
        for (;; size += BLOCK) {
            Block block(at + size);
            quotes = block.equal('"');
            slashes = block.equal('\\');
            if (quotes | slashes)
                break;
        }
        if ((quotes & -quotes) - 1 < (slashes & -slashes) - 1 || slashes == 0)
            return users_.number({at, size + static_cast<std::size_t>(__builtin_ctzll(quotes))});
        const char *end = at;
        for (; *end != '"'; end++)
            end += *end == '\\';
        auto most = static_cast<std::size_t>(end - at);
        char *name = arena_.room(most + 16), *to = name;
        copy_quoted(at, to, name + most);
        size = static_cast<std::size_t>(to - name);
        arena_.keep(size + 16);
        return users_.number({name, size});
    }

    void message(const char *at)
    {
        if (*at == '"')
            return copy_quoted(at + 1, to_, out_.messages + out_.message_bytes);
        std::size_t size = bare(at);
        std::memcpy(to_, at, size);
        to_ += size;
    }
};

} // namespace

void parse_log(const char *text, std::size_t size, const Columns &out)
{
    constexpr std::size_t ROOM = 2 * BLOCK;
    Parser parser(out);
    const void *found = size > ROOM ? memrchr(text, '\n', size - ROOM) : nullptr;
    const char *end = found ? static_cast<const char *>(found) + 1 : text;
    auto rest = static_cast<std::size_t>(text + size - end);
    std::vector<char> last(rest + ROOM);
    std::memcpy(last.data(), end, rest);
    parser.parse(text, end);
    parser.parse(last.data(), last.data() + rest);
}
