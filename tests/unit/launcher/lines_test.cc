// Framing: lines out of a byte stream, within their bounds.
#include <catch2/catch.hpp>

#include "common/line_buffer.h"

using pgaf::LineBuffer;
using Lines = std::vector<std::string>;

TEST_CASE("lines come out whole however the bytes arrive") {
    const std::string text = "one\ntwo\r\n\nthree\n";
    for (std::size_t step = 1; step <= text.size(); ++step) {
        LineBuffer buffer(100, LineBuffer::Overlong::refuse);
        Lines lines;
        for (std::size_t at = 0; at < text.size(); at += step) REQUIRE(buffer.feed(text.substr(at, step), lines));
        CHECK(lines == Lines{"one", "two", "", "three"});
    }
}

TEST_CASE("a line without an end waits for it, or for the end of the stream") {
    LineBuffer buffer(100, LineBuffer::Overlong::split);
    Lines lines;
    REQUIRE(buffer.feed("half", lines));
    CHECK(lines.empty());
    buffer.end(lines);
    buffer.end(lines);
    CHECK(lines == Lines{"half"});
}

TEST_CASE("a line of the longest length is taken, one byte more is refused") {
    for (const bool at_once : {true, false}) {
        LineBuffer buffer(8, LineBuffer::Overlong::refuse);
        Lines lines;
        CHECK(buffer.feed("first\n12345678\n", lines));
        CHECK(lines == Lines{"first", "12345678"});
        if (at_once) {
            CHECK_FALSE(buffer.feed("ok\n123456789\n", lines));
            CHECK(lines.back() == "ok");
        } else {
            CHECK(buffer.feed("12345678", lines));
            CHECK_FALSE(buffer.feed("9", lines));
        }
    }
}

TEST_CASE("a program's overlong line comes in pieces, none of them empty or longer than the bound") {
    LineBuffer buffer(4, LineBuffer::Overlong::split);
    Lines lines;
    REQUIRE(buffer.feed("abcdefgh\nxy", lines));
    REQUIRE(buffer.feed("zabcde\n\n", lines));
    CHECK(lines == Lines{"abcd", "efgh", "xyza", "bcde", ""});
}
