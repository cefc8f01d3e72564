#include "common/wire/text.h"

#include <algorithm>

#include "common/wire/convert.h"

namespace pgaf::wire {
namespace {

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}
bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool is_hex_id(const std::string& text) {
    return text.size() == 16 &&
           std::all_of(text.begin(), text.end(), [](char c) { return is_digit(c) || (c >= 'a' && c <= 'f'); });
}

/// Bytes of the valid UTF-8 sequence at `at`; 0 when there is none.
std::size_t utf8_length(const std::string& text, std::size_t at) {
    const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
    const unsigned first = byte(at);
    std::size_t length = 0;
    if (first < 0x80) return 1;
    if (first >= 0xC2 && first <= 0xDF)
        length = 2;
    else if (first >= 0xE0 && first <= 0xEF)
        length = 3;
    else if (first >= 0xF0 && first <= 0xF4)
        length = 4;
    else
        return 0;
    for (std::size_t i = 1; i < length; ++i) {
        if ((byte(at + i) & 0xC0U) != 0x80U) return 0;
    }
    const unsigned second = byte(at + 1);
    // Overlong forms, surrogates and what lies beyond U+10FFFF.
    if (first == 0xE0 && second < 0xA0) return 0;
    if (first == 0xED && second > 0x9F) return 0;
    if (first == 0xF0 && second < 0x90) return 0;
    if (first == 0xF4 && second > 0x8F) return 0;
    return length;
}

}  // namespace

bool is_valid_id(const std::string& text, const ClusterName&) {
    return is_valid_cluster_name(text);
}
bool is_valid_id(const std::string& text, const NodeName&) {
    return is_valid_node_name(text);
}
bool is_valid_id(const std::string& text, const IncarnationId&) {
    return is_hex_id(text);
}
bool is_valid_id(const std::string& text, const BootId&) {
    return is_hex_id(text);
}
bool is_valid_id(const std::string& text, const MonitorId&) {
    return is_hex_id(text);
}
bool is_valid_id(const std::string& text, const SystemId&) {
    return text.size() <= 20 && std::all_of(text.begin(), text.end(), is_digit);
}

bool is_valid_host(const std::string& text) {
    if (text.empty() || text.size() > 255 || text.front() == '-') return false;
    return std::all_of(text.begin(), text.end(), [](char c) {
        return is_digit(c) || is_letter(c) || c == '.' || c == '-' || c == ':' || c == '_' || c == '%';
    });
}

std::string wire_text(std::string text) {
    std::size_t at = 0;
    while (at < text.size()) {
        const std::size_t length = utf8_length(text, at);
        if (length == 0) text[at] = '?';
        const std::size_t next = at + std::max<std::size_t>(length, 1);
        if (next > max_text_bytes) break;
        at = next;
    }
    text.resize(at);
    return text;
}

}  // namespace pgaf::wire
