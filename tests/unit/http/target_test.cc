// Request targets and listen addresses, taken apart.
#include <catch2/catch.hpp>

#include "common/http/target.h"
#include "common/net.h"

using namespace pgaf;

TEST_CASE("targets are split and decoded") {
    const auto target = http::parse_target("/a%2Fb/c?lag=10MB&x=a+b%21&flag&&lag=2");
    REQUIRE(target.has_value());
    CHECK(target->path == "/a/b/c");
    CHECK(target->query == std::map<std::string, std::string>{{"lag", "10MB"}, {"x", "a b!"}, {"flag", ""}});
    CHECK(http::parse_target("/a+b")->path == "/a+b");
}

TEST_CASE("broken targets are none") {
    for (const char* text : {"", "a", "*", "/%", "/%1", "/%zz", "/%00", "/?a=%q", "http://x/"}) {
        INFO(text);
        CHECK_FALSE(http::parse_target(text).has_value());
    }
}

TEST_CASE("host:port") {
    REQUIRE(parse_host_port("127.0.0.1:5431").has_value());
    CHECK(parse_host_port("db1.example.org:80")->host == "db1.example.org");
    CHECK(parse_host_port("[::1]:5431")->host == "::1");
    CHECK(parse_host_port("[::1]:5431")->text() == "[::1]:5431");
    CHECK(parse_host_port("h:0")->port == 0);
    for (const char* text : {"", "host", ":80", "::1:80", "h:", "h:-1", "h:65536", "h:80x", "h: 80"}) {
        INFO(text);
        CHECK(parse_host_port(text).has_error());
    }
}
