// A program's options as a table for the reference pages (docs/reference/configuration.md). Written from the same table
// that everything else of the options comes from.
#include "common/config_sources.h"

namespace pgaf::config {
namespace {

const char* type_word(Type type) {
    switch (type) {
        case Type::text:
            return "text";
        case Type::integer:
            return "number";
        case Type::boolean:
            return "true, false";
        case Type::list:
            return "list";
        case Type::table:
            return "table";
    }
    return "";
}

std::string allowed(const Option& option) {
    std::string text;
    for (const auto& word : option.words) text += (text.empty() ? "" : ", ") + word;
    if (option.min && option.max) text = std::to_string(*option.min) + " to " + std::to_string(*option.max);
    return text.empty() ? type_word(option.type) : text;
}

/// '|' would end the cell.
std::string cell(const std::string& text) {
    std::string out;
    for (const char c : text) (c == '|' ? out += '\\' : out) += c;
    return out;
}

std::string code(const std::string& text) {
    return text.empty() ? "" : "`" + cell(text) + "`";
}

}  // namespace

std::string reference_table(const Program& program) {
    const bool has_file = !program.default_file.empty();
    std::string out = has_file ? "| key | environment | default | allowed | meaning |\n"
                               : "| flag | environment | default | allowed | meaning |\n";
    out += "|---|---|---|---|---|\n";
    for (const auto& option : program.options) {
        const std::string name = has_file ? option.name : detail::flag_name(option);
        out += "| " + code(name) + " | " + code(detail::env_name(program, option)) + " | " +
               (option.required ? "(required)" : code(option.fallback.value_or(""))) + " | " + cell(allowed(option)) +
               " | " + cell(option.help) + (option.secret ? " (never a flag)" : "") + " |\n";
    }
    return out;
}

}  // namespace pgaf::config
