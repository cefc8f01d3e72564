// The plain structs and the wire messages say the same things, and bad messages are refused by name.
#include "common/wire/convert.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <catch2/catch.hpp>
#include <set>
#include <string>

#include "pgaf/v1/keeper.pb.h"
#include "pgaf/v1/types.pb.h"

using namespace pgaf;
using google::protobuf::Descriptor;

namespace {

/// Compares the member names of T, and of what it holds, with the fields of `message`.
template <class T>
void compare_names(const Descriptor* message) {
    INFO("message " << message->full_name());
    std::set<std::string> members;
    T object{};
    for_each_member(object, [&]<class M>(std::string_view name, M&) {
        members.insert(std::string(name));
        const auto* field = message->FindFieldByName(std::string(name));
        INFO("member " << name);
        REQUIRE(field != nullptr);
        CHECK(field->is_repeated() == is_vector<M>);
        if constexpr (is_vector<M>) {
            if constexpr (Described<typename M::value_type>)
                compare_names<typename M::value_type>(field->message_type());
        } else if constexpr (is_optional<M>) {
            CHECK(field->has_presence());
            if constexpr (Described<typename M::value_type>)
                compare_names<typename M::value_type>(field->message_type());
        } else if constexpr (Described<M> && !is_strong<M> && !std::same_as<M, Lsn>) {
            compare_names<M>(field->message_type());
        }
    });
    for (int i = 0; i < message->field_count(); ++i) {
        INFO("field " << message->field(i)->name());
        CHECK(members.count(message->field(i)->name()) == 1);
    }
}

/// Gives every member a value of its own that is not its default.
template <class T>
void fill(T& value, std::uint64_t& n) {
    if constexpr (std::same_as<T, ClusterName> || std::same_as<T, NodeName>) {
        value.v = "n" + std::to_string(++n);
    } else if constexpr (std::same_as<T, SystemId>) {
        value.v = std::to_string(7000000000000000000ULL + ++n);
    } else if constexpr (is_strong<T>) {
        if constexpr (std::same_as<typename T::rep, std::string>)
            value.v = std::to_string(1000000000000000ULL + ++n);
        else
            fill(value.v, n);
    } else if constexpr (std::same_as<T, Lsn>) {
        value.v = (1ULL << 40) + ++n;
    } else if constexpr (is_optional<T>) {
        fill(value.emplace(), n);
    } else if constexpr (is_vector<T>) {
        for (int i = 0; i < 2; ++i) fill(value.emplace_back(), n);
    } else if constexpr (Described<T>) {
        for_each_member(value, [&](std::string_view, auto& member) { fill(member, n); });
    } else if constexpr (DescribedEnum<T>) {
        value = static_cast<T>(1);
    } else if constexpr (std::same_as<T, bool>) {
        value = !value;
    } else if constexpr (std::is_integral_v<T>) {
        value = static_cast<T>(1000 + ++n);
    } else {
        value = "text-" + std::to_string(++n);
    }
}

template <class T>
void round_trip() {
    T filled{};
    std::uint64_t n = 0;
    fill(filled, n);
    const auto message = wire::to_wire(filled);
    std::string bytes;
    REQUIRE(message.SerializeToString(&bytes));
    std::remove_const_t<decltype(message)> parsed;
    REQUIRE(parsed.ParseFromString(bytes));
    const auto back = wire::from_wire(parsed);
    if (!back) FAIL(back.error().message);
    CHECK(*back == filled);
    CHECK_FALSE(*back == T{});
}

Hello good_hello() {
    Hello hello;
    std::uint64_t n = 0;
    fill(hello, n);
    return hello;
}

void check_refused(const v1::Hello& message, const std::string& why) {
    const auto result = wire::from_wire(message);
    REQUIRE(result.has_error());
    CHECK_THAT(result.error().message, Catch::Contains(why));
}

}  // namespace

TEST_CASE("every member has a field and every field a member") {
    compare_names<Goal>(v1::Goal::descriptor());
    compare_names<Report>(v1::Report::descriptor());
    compare_names<Hello>(v1::Hello::descriptor());
    compare_names<ProbeResult>(v1::ProbeResult::descriptor());
    compare_names<ClusterView>(v1::ClusterView::descriptor());
}

TEST_CASE("filled values survive the wire") {
    round_trip<Goal>();
    round_trip<Report>();
    round_trip<Hello>();
    round_trip<ProbeResult>();
    round_trip<ClusterView>();
}

TEST_CASE("an unset optional stays unset, a set one that is zero stays set") {
    Goal goal;
    goal.history.push_back({Timeline{1}, Epoch{1}, std::nullopt, Lsn{}});
    goal.history.push_back({Timeline{2}, Epoch{2}, Lsn{}, Lsn{}});
    const auto back = wire::from_wire(wire::to_wire(goal));
    REQUIRE(back.has_value());
    CHECK_FALSE(back->permit.has_value());
    CHECK_FALSE(back->history[0].fork.has_value());
    CHECK(back->history[1].fork.has_value());
}

TEST_CASE("unknown words are refused by name, missing ones keep the default") {
    auto message = wire::to_wire(Goal{});
    message.set_role("emperor");
    const auto refused = wire::from_wire(message);
    REQUIRE(refused.has_error());
    CHECK_THAT(refused.error().message, Catch::Contains("role: unknown word 'emperor'"));
    message.clear_role();
    const auto accepted = wire::from_wire(message);
    REQUIRE(accepted.has_value());
    CHECK(accepted->role == Role::wait);
}

TEST_CASE("a hello that cannot be one is refused") {
    const auto good = wire::to_wire(good_hello());
    REQUIRE(wire::from_wire(good).has_value());
    auto bad = good;
    SECTION("port 0") {
        bad.set_port(0), check_refused(bad, "port: 0 is not a port (1 to 65535)");
    }
    SECTION("port above the range") {
        bad.set_port(65536), check_refused(bad, "port: 65536 is not a port");
    }
    SECTION("no node") {
        bad.clear_node(), check_refused(bad, "without node");
    }
    SECTION("no boot") {
        bad.clear_boot(), check_refused(bad, "without boot");
    }
    SECTION("upper case") {
        bad.set_node("Node1"), check_refused(bad, "node: not a valid node name");
    }
    SECTION("incarnation") {
        bad.set_incarnation("xyz"), check_refused(bad, "incarnation: not a valid incarnation");
    }
    SECTION("system id") {
        bad.set_system_id("12a"), check_refused(bad, "system_id: not a valid system identifier");
    }
    SECTION("a line break in the host") {
        bad.set_host("h\nhost all all all trust"), check_refused(bad, "host: not a host");
    }
    SECTION("no host") {
        bad.clear_host(), check_refused(bad, "host: not a host");
    }
    SECTION("long id") {
        bad.set_cluster(std::string(65, 'a')), check_refused(bad, "cluster: too long (65, at most 64 bytes)");
    }
    SECTION("long text") {
        bad.set_keeper_version(std::string(wire::max_text_bytes + 1, 'v'));
        check_refused(bad, "keeper_version: too long");
    }
}

TEST_CASE("lists are bounded, and errors inside them say where") {
    auto message = wire::to_wire(Report{});
    for (std::size_t i = 0; i < wire::max_list_items; ++i) message.add_slots("n1");
    REQUIRE(wire::from_wire(message).has_value());
    message.add_slots("n1");
    auto refused = wire::from_wire(message);
    REQUIRE(refused.has_error());
    CHECK_THAT(refused.error().message, Catch::Contains("slots: too long (10001, at most 10000 entries)"));

    auto goal = wire::to_wire(Goal{});
    goal.add_peers()->set_port(70000);
    goal.mutable_peers(0)->set_host("h");
    auto bad = wire::from_wire(goal);
    REQUIRE(bad.has_error());
    CHECK_THAT(bad.error().message, Catch::Contains("peers[0]: port: 70000 is not a port"));
}

TEST_CASE("texts for people are made fit for the wire") {
    CHECK(wire::wire_text("gr\xC3\xBC\xC3\x9F") == "gr\xC3\xBC\xC3\x9F");
    CHECK(wire::wire_text("gr\xFC\xDF") == "gr??");
    CHECK(wire::wire_text("\xED\xA0\x80|\xC0\x80|\xE2\x82") == "???|??|??");
    CHECK(wire::wire_text(std::string(5000, 'x')).size() == wire::max_text_bytes);
    // A character is not cut in half.
    CHECK(wire::wire_text(std::string(wire::max_text_bytes - 1, 'x') + "\xC3\xBC").size() == wire::max_text_bytes - 1);

    Report report;
    report.problem = std::string("d\xE9j\xE0 ") + std::string(9000, 'p');
    const auto back = wire::from_wire(wire::to_wire(report));
    REQUIRE(back.has_value());
    CHECK(back->problem.substr(0, 5) == "d?j? ");
    CHECK(back->problem.size() == wire::max_text_bytes);
}
