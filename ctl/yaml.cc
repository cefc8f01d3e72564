#include "ctl/yaml.h"

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>

namespace pgaf::ctl {
namespace {

using Json = nlohmann::ordered_json;

/// Whether a text reads back as the same text without quotes: letters first, nothing that YAML gives a meaning, and
/// none of the words that some reader takes for a boolean or a null.
bool is_plain(const std::string& text) {
    if (text.empty() || text.size() > 200 || std::isalpha(static_cast<unsigned char>(text.front())) == 0) return false;
    if (text.back() == ' ') return false;
    if (!std::all_of(text.begin(), text.end(), [](unsigned char c) {
            return std::isalnum(c) != 0 || c == '_' || c == '-' || c == '/' || c == '.' || c == ' ';
        }))
        return false;
    std::string lower = text;
    std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
    static constexpr const char* words[] = {"true", "false", "yes", "no", "on", "off", "null", "y", "n"};
    return std::find(std::begin(words), std::end(words), lower) == std::end(words);
}

/// A JSON text is a double-quoted YAML scalar, and JSON's numbers and words are YAML's.
std::string scalar(const Json& value) {
    if (value.is_string() && is_plain(value.get_ref<const std::string&>())) return value.get<std::string>();
    if (value.is_array()) return "[]";
    if (value.is_object()) return "{}";
    return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

bool is_block(const Json& value) {
    return value.is_structured() && !value.empty();
}

void write(std::string& out, const Json& value, std::size_t indent);

/// What follows a key: on the same line, or as a block beneath it.
void write_after_key(std::string& out, const Json& value, std::size_t indent) {
    if (!is_block(value)) {
        out += ' ' + scalar(value) + '\n';
        return;
    }
    out += '\n';
    write(out, value, indent);
}

void write(std::string& out, const Json& value, std::size_t indent) {
    const std::string blanks(indent, ' ');
    if (value.is_object() && !value.empty()) {
        for (const auto& [key, item] : value.items()) {
            out += blanks + scalar(Json(key)) + ':';
            write_after_key(out, item, indent + 2);
        }
    } else if (value.is_array() && !value.empty()) {
        for (const auto& item : value) {
            if (!is_block(item)) {
                out += blanks + "- " + scalar(item) + '\n';
                continue;
            }
            // "- " takes the place of the first line's indent.
            std::string block;
            write(block, item, indent + 2);
            block.replace(indent, 2, "- ");
            out += block;
        }
    } else {
        out += blanks + scalar(value) + '\n';
    }
}

}  // namespace

std::string to_yaml(const nlohmann::ordered_json& value) {
    std::string out;
    write(out, value, 0);
    return out;
}

}  // namespace pgaf::ctl
