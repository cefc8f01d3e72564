// Reads the TOML file and secret files. The only place that knows toml++.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <toml++/toml.h>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "common/config_sources.h"

namespace pgaf::config {
namespace {

constexpr std::size_t max_file_bytes = 1 << 20;

struct FileText {
    std::string text;
    /// Only the owner (root, or whoever runs this program) can read or write it.
    bool is_private = false;
};

Result<FileText> read_whole(const std::string& path) {
    const auto failed = [&](const std::string& doing) {
        return error(path + ": " + doing + " failed: " + std::strerror(errno));
    };
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return failed("opening");
    struct Closer {
        int fd;
        ~Closer() { ::close(fd); }
    } closer{fd};
    struct stat info {};
    if (::fstat(fd, &info) != 0) return failed("looking at it");
    if (S_ISDIR(info.st_mode)) return error(path + ": is a folder, not a file");
    FileText file;
    file.is_private = (info.st_mode & 077) == 0 && (info.st_uid == ::geteuid() || info.st_uid == 0);
    std::array<char, 4096> buffer{};
    for (;;) {
        const ssize_t n = ::read(fd, buffer.data(), buffer.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return failed("reading");
        if (n == 0) return file;
        file.text.append(buffer.data(), static_cast<std::size_t>(n));
        if (file.text.size() > max_file_bytes) return error(path + ": larger than 1 MB; that is not a configuration");
    }
}

std::string scalar_text(const Option& option, const toml::node& node) {
    if (const auto* text = node.as_string()) return text->get();
    if (const auto* number = node.as_integer()) return std::to_string(number->get());
    if (const auto* flag = node.as_boolean()) return flag->get() ? option.yes : option.no;
    if (const auto* number = node.as_floating_point()) {
        std::array<char, 64> digits{};
        const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number->get()).ptr;
        return std::string(digits.data(), end);
    }
    return {};
}

bool is_scalar(const toml::node& node) {
    return node.is_string() || node.is_integer() || node.is_boolean() || node.is_floating_point();
}

class Reader {
  public:
    Reader(const Program& program, std::string path, bool is_private, detail::Values& values,
           detail::Problems& problems)
        : program_(program), path_(std::move(path)), is_private_(is_private), values_(values), problems_(problems) {}

    /// `section` ends in a dot unless it is empty.
    void read(const toml::table& table, const std::string& section) {
        for (const auto& [key, node] : table) {
            const std::string name = section + std::string(key.str());
            if (const Option* option = detail::find_option(program_, name)) {
                take(*option, node);
            } else if (node.is_table() && has_section(name + ".")) {
                read(*node.as_table(), name + ".");
            } else {
                complain(node, detail::unknown(name, names()));
            }
        }
    }

  private:
    std::string at(const toml::node& node) const { return path_ + ":" + std::to_string(node.source().begin.line); }
    void complain(const toml::node& node, const std::string& what) { problems_.push_back(at(node) + ": " + what); }

    bool has_section(const std::string& prefix) const {
        for (const auto& option : program_.options)
            if (option.name.starts_with(prefix)) return true;
        return false;
    }
    List names() const {
        List names;
        for (const auto& option : program_.options) names.push_back(option.name);
        return names;
    }

    void take(const Option& option, const toml::node& node) {
        if (option.secret && !is_private_)
            complain(node, option.name + ": a secret in a file that others can read; run: chmod 600 " + path_);
        const auto put = [&](auto value) { values_[option.name] = Value{std::move(value), at(node)}; };
        const auto wrong = [&](const std::string& wanted) { complain(node, option.name + ": expected " + wanted); };
        switch (option.type) {
            case Type::text:
                return node.is_string() ? put(scalar_text(option, node)) : wrong("a text in quotes");
            case Type::integer:
                return node.is_integer() ? put(node.as_integer()->get()) : wrong("a whole number");
            case Type::boolean:
                return node.is_boolean() ? put(node.as_boolean()->get()) : wrong("true or false");
            case Type::list:
                return take_list(option, node);
            case Type::table:
                return take_table(option, node);
        }
    }

    void take_list(const Option& option, const toml::node& node) {
        List items;
        if (node.is_string())
            items.push_back(scalar_text(option, node));
        else if (!node.is_array())
            return complain(node, option.name + ": expected a list of texts, for example [\"a\", \"b\"]");
        if (const auto* array = node.as_array()) {
            for (const auto& item : *array) {
                if (!item.is_string()) return complain(item, option.name + ": expected a text in quotes");
                items.push_back(scalar_text(option, item));
            }
        }
        values_[option.name] = Value{std::move(items), at(node)};
    }

    void take_table(const Option& option, const toml::node& node) {
        if (!node.is_table()) return complain(node, option.name + ": expected a section [" + option.name + "]");
        Table table;
        for (const auto& [key, item] : *node.as_table()) {
            // PostgreSQL's own names may hold a dot (pg_stat_statements.max): TOML makes a table of it.
            if (const auto* inner = item.as_table()) {
                for (const auto& [inner_key, inner_item] : *inner)
                    if (is_scalar(inner_item))
                        table[std::string(key.str()) + "." + std::string(inner_key.str())] =
                            scalar_text(option, inner_item);
                    else
                        complain(inner_item, option.name + ": expected a text, a number, or true or false");
            } else if (is_scalar(item)) {
                table[std::string(key.str())] = scalar_text(option, item);
            } else {
                complain(item,
                         option.name + "." + std::string(key.str()) + ": expected a text, a number, or true or false");
            }
        }
        values_[option.name] = Value{std::move(table), at(node)};
    }

    const Program& program_;
    std::string path_;
    bool is_private_;
    detail::Values& values_;
    detail::Problems& problems_;
};

}  // namespace

namespace detail {

void read_file(const Program& program, const std::string& path, Values& values, Problems& problems) {
    const auto file = read_whole(path);
    if (!file) return problems.push_back(file.error().message);
    try {
        const toml::table table = toml::parse(file->text, path);
        Reader(program, path, file->is_private, values, problems).read(table, "");
    } catch (const toml::parse_error& bad) {
        problems.push_back(path + ":" + std::to_string(bad.source().begin.line) +
                           ": not valid TOML: " + std::string(bad.description()));
    }
}

}  // namespace detail

Result<std::string> read_secret_file(const std::string& path) {
    auto file = read_whole(path);
    if (!file) return file.error();
    if (!file->is_private)
        return error(path + ": others than its owner can use this secret, or another user owns it; run: chmod 600 " +
                     path);
    std::string secret = std::move(file->text);
    if (secret.ends_with('\n')) secret.pop_back();
    if (secret.ends_with('\r')) secret.pop_back();
    if (secret.empty()) return error(path + ": is empty; write the secret into its first line");
    if (secret.find_first_of(std::string("\n\r\0", 3)) != std::string::npos)
        return error(path + ": has more than one line; it must hold the secret alone");
    return secret;
}

}  // namespace pgaf::config
