// How Catch prints our values when a check on them fails.
#pragma once

#include <catch2/catch.hpp>
#include <string>

#include "common/ids.h"
#include "common/lsn.h"
#include "common/result.h"

template <class T>
struct Catch::StringMaker<boost::system::result<T, pgaf::Error>> {
    static std::string convert(const boost::system::result<T, pgaf::Error>& result) {
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
