// What operations that can fail return. Exceptions are for broken programs only.
#pragma once

#include <boost/system/result.hpp>
#include <string>
#include <utility>

namespace pgaf {

/// Why something failed, for people: what happened, where, and what to do about it. Made by error().
struct Error {
    std::string message;
    /// Not constructible from a text alone: else a text could not be told from an error in a Result<std::string>.
    struct Made {};
    Error() = default;
    Error(Made, std::string text) : message(std::move(text)) {}
    /// The same error seen from further out: "starting node2: <message>".
    [[nodiscard]] Error in(const std::string& context) const { return {Made{}, context + ": " + message}; }
};

/// Required by boost::system::result for value() on an error: a broken program, since callers check first.
[[noreturn]] void throw_exception_from_error(const Error& error, const boost::source_location& where);

template <class T = void>
using Result = boost::system::result<T, Error>;

inline Error error(std::string message) {
    return {Error::Made{}, std::move(message)};
}

}  // namespace pgaf
