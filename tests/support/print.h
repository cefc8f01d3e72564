// How Catch prints our values when a check on them fails.
#pragma once

#include <catch2/catch.hpp>
#include <concepts>
#include <string>

#include "common/ids.h"
#include "common/lsn.h"
#include "common/result.h"

template <class T, std::derived_from<pgaf::Error> E>
struct Catch::StringMaker<boost::system::result<T, E>> {
    static std::string convert(const boost::system::result<T, E>& result) {
        return result ? "no error" : "error: " + result.error().message;
    }
};
template <>
struct Catch::StringMaker<pgaf::Lsn> {
    static std::string convert(const pgaf::Lsn& lsn) { return lsn.text(); }
};
template <class Tag>
struct Catch::StringMaker<pgaf::Strong<Tag, std::uint32_t>> {
    static std::string convert(const pgaf::Strong<Tag, std::uint32_t>& value) { return std::to_string(value.v); }
};
template <class Tag>
struct Catch::StringMaker<pgaf::Strong<Tag, std::string>> {
    static std::string convert(const pgaf::Strong<Tag, std::string>& value) { return '"' + value.v + '"'; }
};
