#include "monitor/http/documents.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <nlohmann/json.hpp>

#include "common/lsn.h"
#include "monitor/service/messages.h"

namespace pgaf::monitor {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using Json = nlohmann::ordered_json;

Json single(const Message& message, const FieldDescriptor* field) {
    const auto* r = message.GetReflection();
    if (field->has_presence() && !r->HasField(message, field)) return nullptr;
    switch (field->cpp_type()) {
        case FieldDescriptor::CPPTYPE_BOOL:
            return r->GetBool(message, field);
        case FieldDescriptor::CPPTYPE_UINT32:
            return r->GetUInt32(message, field);
        case FieldDescriptor::CPPTYPE_UINT64: {
            const std::uint64_t value = r->GetUInt64(message, field);
            return field->name() == "lsn" ? Json(Lsn{value}.text()) : Json(value);
        }
        case FieldDescriptor::CPPTYPE_INT64: {
            const std::int64_t value = r->GetInt64(message, field);
            // Never heard.
            return field->name() == "seen_ms" && value < 0 ? Json(nullptr) : Json(value);
        }
        case FieldDescriptor::CPPTYPE_STRING:
            return r->GetString(message, field);
        case FieldDescriptor::CPPTYPE_MESSAGE:
            return document(r->GetMessage(message, field));
        default:
            throw std::logic_error("no JSON for the type of " + field->full_name());
    }
}

Json list(const Message& message, const FieldDescriptor* field) {
    const auto* r = message.GetReflection();
    Json items = Json::array();
    for (int i = 0; i < r->FieldSize(message, field); ++i) {
        if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE)
            items.push_back(document(r->GetRepeatedMessage(message, field, i)));
        else
            items.push_back(r->GetRepeatedString(message, field, i));
    }
    return items;
}

}  // namespace

Json document(const Message& message) {
    Json object = Json::object();
    for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
        const FieldDescriptor* field = message.GetDescriptor()->field(i);
        object[field->name()] = field->is_repeated() ? list(message, field) : single(message, field);
    }
    return object;
}

Json state_document(const StateView& view) {
    Json object = document(view.state);
    object["decides"] = view.decides;
    return object;
}

Json event_document(const Event& event) {
    return document(event_message(event));
}

}  // namespace pgaf::monitor
