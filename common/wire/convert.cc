#include "common/wire/convert.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <algorithm>
#include <limits>
#include <stdexcept>
#include <utility>

#include "common/wire/text.h"
#include "pgaf/v1/keeper.pb.h"
#include "pgaf/v1/types.pb.h"

namespace pgaf::wire {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

/// The field of a member. A member without one is a broken program; a unit test compares the two forms.
const FieldDescriptor* field_of(const Message& message, std::string_view name) {
    const FieldDescriptor* field = message.GetDescriptor()->FindFieldByName(std::string(name));
    if (!field) throw std::logic_error(message.GetTypeName() + " has no field " + std::string(name));
    return field;
}

// ---- plain to wire ----------------------------------------------------------------------------------------------

template <class T>
void write_members(const T& object, Message& message);

template <class T>
void write(const T& value, Message& message, const FieldDescriptor* field) {
    const auto* r = message.GetReflection();
    if constexpr (is_strong<T>) {
        write(value.v, message, field);
    } else if constexpr (std::same_as<T, Lsn> || std::same_as<T, std::uint64_t>) {
        if constexpr (std::same_as<T, Lsn>)
            r->SetUInt64(&message, field, value.v);
        else
            r->SetUInt64(&message, field, value);
    } else if constexpr (is_optional<T>) {
        if (value) write(*value, message, field);
    } else if constexpr (is_vector<T>) {
        for (const auto& item : value) {
            if constexpr (is_strong<typename T::value_type>)
                r->AddString(&message, field, wire_text(item.v));
            else
                write_members(item, *r->AddMessage(&message, field));
        }
    } else if constexpr (Described<T>) {
        write_members(value, *r->MutableMessage(&message, field));
    } else if constexpr (DescribedEnum<T>) {
        r->SetString(&message, field, std::string(word(value)));
    } else if constexpr (std::same_as<T, bool>) {
        r->SetBool(&message, field, value);
    } else if constexpr (std::same_as<T, std::int64_t>) {
        r->SetInt64(&message, field, value);
    } else if constexpr (std::is_unsigned_v<T>) {
        static_assert(sizeof(T) <= 4);
        r->SetUInt32(&message, field, value);
    } else {
        static_assert(std::same_as<T, std::string>);
        r->SetString(&message, field, wire_text(value));
    }
}

template <class T>
void write_members(const T& object, Message& message) {
    for_each_member(
        object, [&](std::string_view name, const auto& member) { write(member, message, field_of(message, name)); });
}

// ---- wire to plain ----------------------------------------------------------------------------------------------
// The readers return what is wrong, empty when all is well.

std::string too_long(std::size_t size, std::size_t limit, const char* unit) {
    return "too long (" + std::to_string(size) + ", at most " + std::to_string(limit) + " " + unit + ")";
}

template <class T>
std::string read_text(const std::string& text, T& value) {
    if constexpr (is_strong<T>) {
        if (text.size() > max_id_bytes) return too_long(text.size(), max_id_bytes, "bytes");
        if (!text.empty() && !is_valid_id(text, value))
            return "not a valid " + std::string(id_kind(value)) + ": '" + text + "'";
        value.v = text;
    } else {
        if (text.size() > max_text_bytes) return too_long(text.size(), max_text_bytes, "bytes");
        value = text;
    }
    return {};
}

template <class T>
std::string read_members(const Message& message, T& object);

template <class T>
std::string read_list(const Message& message, const FieldDescriptor* field, std::vector<T>& list) {
    const auto* r = message.GetReflection();
    const int size = r->FieldSize(message, field);
    if (static_cast<std::size_t>(size) > max_list_items) {
        return field->name() + ": " + too_long(static_cast<std::size_t>(size), max_list_items, "entries");
    }
    list.clear();
    list.reserve(static_cast<std::size_t>(size));
    for (int i = 0; i < size; ++i) {
        std::string bad;
        if constexpr (is_strong<T>)
            bad = read_text(r->GetRepeatedString(message, field, i), list.emplace_back());
        else
            bad = read_members(r->GetRepeatedMessage(message, field, i), list.emplace_back());
        if (!bad.empty()) return field->name() + "[" + std::to_string(i) + "]: " + bad;
    }
    return {};
}

template <class T>
std::string read_scalar(const Message& message, const FieldDescriptor* field, T& value) {
    const auto* r = message.GetReflection();
    if constexpr (is_strong<T>) {
        if constexpr (std::same_as<typename T::rep, std::string>)
            return read_text(r->GetString(message, field), value);
        else
            return read_scalar(message, field, value.v);
    } else if constexpr (std::same_as<T, Lsn>) {
        value.v = r->GetUInt64(message, field);
    } else if constexpr (std::same_as<T, std::uint64_t>) {
        value = r->GetUInt64(message, field);
    } else if constexpr (std::same_as<T, std::int64_t>) {
        value = r->GetInt64(message, field);
    } else if constexpr (std::same_as<T, bool>) {
        value = r->GetBool(message, field);
    } else if constexpr (std::same_as<T, std::uint16_t>) {
        // Ports are the only 16-bit members.
        const std::uint32_t port = r->GetUInt32(message, field);
        if (port == 0 || port > std::numeric_limits<std::uint16_t>::max()) {
            return std::to_string(port) + " is not a port (1 to 65535)";
        }
        value = static_cast<std::uint16_t>(port);
    } else if constexpr (std::is_unsigned_v<T>) {
        value = r->GetUInt32(message, field);
    } else if constexpr (DescribedEnum<T>) {
        // Empty: a peer of another version that does not know the field.
        const std::string text = r->GetString(message, field);
        if (text.empty()) return {};
        const auto found = from_word<T>(text);
        if (!found) return "unknown word '" + text.substr(0, max_id_bytes) + "'";
        value = *found;
    } else {
        static_assert(std::same_as<T, std::string>);
        if (const std::string bad = read_text(r->GetString(message, field), value); !bad.empty()) return bad;
        if (field->name() == "host" && !is_valid_host(value))
            return "not a host name or address: '" + value.substr(0, 255) + "'";
    }
    return {};
}

template <class T>
std::string read(const Message& message, const FieldDescriptor* field, T& value) {
    if constexpr (is_vector<T>) {
        return read_list(message, field, value);
    } else {
        std::string bad;
        if constexpr (is_optional<T>) {
            if (!message.GetReflection()->HasField(message, field)) return value.reset(), bad;
            return read(message, field, value.emplace());
        } else if constexpr (Described<T>) {
            bad = read_members(message.GetReflection()->GetMessage(message, field), value);
        } else {
            bad = read_scalar(message, field, value);
        }
        return bad.empty() ? bad : field->name() + ": " + bad;
    }
}

template <class T>
std::string read_members(const Message& message, T& object) {
    std::string bad;
    for_each_member(object, [&](std::string_view name, auto& member) {
        if (bad.empty()) bad = read(message, field_of(message, name), member);
    });
    return bad;
}

template <class M, class T>
M write_whole(const T& object) {
    M message;
    write_members(object, message);
    return message;
}

template <class T>
Result<T> read_whole(const Message& message, const char* kind) {
    T object;
    if (std::string bad = read_members(message, object); !bad.empty()) {
        return error("a " + std::string(kind) + " that cannot be understood: " + bad +
                     "; are both programs of neighbouring versions?");
    }
    return object;
}

}  // namespace

v1::Goal to_wire(const Goal& goal) {
    return write_whole<v1::Goal>(goal);
}
v1::Report to_wire(const Report& report) {
    return write_whole<v1::Report>(report);
}
v1::Hello to_wire(const Hello& hello) {
    return write_whole<v1::Hello>(hello);
}
v1::ProbeResult to_wire(const ProbeResult& result) {
    return write_whole<v1::ProbeResult>(result);
}
v1::ClusterView to_wire(const ClusterView& view) {
    return write_whole<v1::ClusterView>(view);
}

Result<Goal> from_wire(const v1::Goal& message) {
    return read_whole<Goal>(message, "goal");
}
Result<Report> from_wire(const v1::Report& message) {
    return read_whole<Report>(message, "report");
}
Result<ProbeResult> from_wire(const v1::ProbeResult& message) {
    return read_whole<ProbeResult>(message, "probe result");
}
Result<ClusterView> from_wire(const v1::ClusterView& message) {
    return read_whole<ClusterView>(message, "view of the cluster");
}

Result<Hello> from_wire(const v1::Hello& message) {
    auto hello = read_whole<Hello>(message, "hello");
    if (!hello) return hello;
    const auto missing = [](const char* what) { return error(std::string("a hello without ") + what); };
    if (hello->cluster.empty()) return missing("cluster");
    if (hello->node.empty()) return missing("node");
    if (hello->incarnation.empty()) return missing("incarnation");
    if (hello->boot.empty()) return missing("boot");
    return hello;
}

}  // namespace pgaf::wire
