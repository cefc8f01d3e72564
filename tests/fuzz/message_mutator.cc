#include "tests/fuzz/message_mutator.h"

#include <array>
#include <string>
#include <vector>

namespace pgaf::fuzz {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

using Dice = std::mt19937;

std::size_t below(Dice& dice, std::size_t end) {
    return end == 0 ? 0 : dice() % end;
}

/// Every message within this one, itself first.
void collect(Message& message, std::vector<Message*>& all) {
    all.push_back(&message);
    const auto* reflection = message.GetReflection();
    std::vector<const FieldDescriptor*> fields;
    reflection->ListFields(message, &fields);
    for (const auto* field : fields) {
        if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) continue;
        if (!field->is_repeated()) {
            collect(*reflection->MutableMessage(&message, field), all);
            continue;
        }
        for (int i = 0; i < reflection->FieldSize(message, field); ++i)
            collect(*reflection->MutableRepeatedMessage(&message, field, i), all);
    }
}

/// Numbers next to the bounds of what programs count with.
std::uint64_t any_number(Dice& dice) {
    constexpr std::array<std::uint64_t, 14> odd{0,     1,          2,          3,         50,        100,   5432,
                                                65535, 0x7FFFFFFF, 0xFFFFFFFF, 0x1000000, 0x3000028, ~0ULL, ~0ULL >> 1};
    switch (below(dice, 3)) {
        case 0:
            return odd[below(dice, odd.size())];
        case 1:
            return below(dice, 16);
        default:
            return (std::uint64_t{dice()} << 32 | dice()) >> below(dice, 64);
    }
}

std::string any_text(Dice& dice, std::string text) {
    switch (below(dice, 5)) {
        case 0:
            return {};
        case 1:
            return text + text;
        case 2:
            return text + static_cast<char>(dice() & 0x7F);
        case 3:
            return text.substr(0, below(dice, text.size()));
        default:
            break;
    }
    if (!text.empty()) text[below(dice, text.size())] = static_cast<char>('0' + below(dice, 75));
    return text;
}

/// A value of the same field elsewhere in the story, or a field with the same name in another message.
const Message* donor(const std::vector<Message*>& all, const FieldDescriptor* field, Dice& dice,
                     const FieldDescriptor*& found) {
    for (int tries = 0; tries < 8; ++tries) {
        const Message* from = all[below(dice, all.size())];
        found = from->GetDescriptor()->FindFieldByName(field->name());
        if (found != nullptr && !found->is_repeated() && found->cpp_type() == field->cpp_type() &&
            (found->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE || found->message_type() == field->message_type()))
            return from;
    }
    return nullptr;
}

void set_single(Message& message, const FieldDescriptor* field, const std::vector<Message*>& all, Dice& dice) {
    const auto* r = message.GetReflection();
    const FieldDescriptor* other = nullptr;
    const Message* from = below(dice, 2) == 0 ? donor(all, field, dice, other) : nullptr;
    const auto* fr = from == nullptr ? nullptr : from->GetReflection();
    const std::uint64_t number = any_number(dice);
    switch (field->cpp_type()) {
        case FieldDescriptor::CPPTYPE_BOOL:
            return r->SetBool(&message, field, !r->GetBool(message, field));
        case FieldDescriptor::CPPTYPE_UINT32:
            return r->SetUInt32(&message, field,
                                from != nullptr ? fr->GetUInt32(*from, other) : static_cast<std::uint32_t>(number));
        case FieldDescriptor::CPPTYPE_INT32:
            return r->SetInt32(&message, field,
                               from != nullptr ? fr->GetInt32(*from, other) : static_cast<std::int32_t>(number));
        case FieldDescriptor::CPPTYPE_UINT64: {
            const auto near = r->GetUInt64(message, field) + below(dice, 3) - 1;
            const auto own = below(dice, 2) == 0 ? near : number;
            return r->SetUInt64(&message, field, from != nullptr ? fr->GetUInt64(*from, other) : own);
        }
        case FieldDescriptor::CPPTYPE_INT64:
            return r->SetInt64(&message, field,
                               from != nullptr ? fr->GetInt64(*from, other) : static_cast<std::int64_t>(number));
        case FieldDescriptor::CPPTYPE_STRING:
            return r->SetString(
                &message, field,
                from != nullptr ? fr->GetString(*from, other) : any_text(dice, r->GetString(message, field)));
        case FieldDescriptor::CPPTYPE_MESSAGE: {
            Message* to = r->MutableMessage(&message, field);
            if (from != nullptr && fr->HasField(*from, other)) {
                // A copy first: the donor may lie within what is replaced.
                const std::string bytes = fr->GetMessage(*from, other).SerializeAsString();
                to->ParseFromString(bytes);
            }
            return;
        }
        default:
            return;
    }
}

void change_list(Message& message, const FieldDescriptor* field, Dice& dice) {
    const auto* r = message.GetReflection();
    const int size = r->FieldSize(message, field);
    const bool is_message = field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
    const int at = static_cast<int>(below(dice, static_cast<std::size_t>(size)));
    switch (below(dice, 4)) {
        case 0:
            if (is_message) r->AddMessage(&message, field);
            if (field->cpp_type() == FieldDescriptor::CPPTYPE_STRING)
                r->AddString(&message, field, any_text(dice, "a"));
            if (field->cpp_type() == FieldDescriptor::CPPTYPE_UINT32)
                r->AddUInt32(&message, field, static_cast<std::uint32_t>(any_number(dice)));
            break;
        case 1:  // again, as a repeated message on the network
            if (size == 0 || !is_message) break;
            {
                const std::string bytes = r->GetRepeatedMessage(message, field, at).SerializeAsString();
                r->AddMessage(&message, field)->ParseFromString(bytes);
            }
            break;
        case 2:
            if (size > 1)
                r->SwapElements(&message, field, at, static_cast<int>(below(dice, static_cast<std::size_t>(size))));
            break;
        default:
            if (size == 0) break;
            r->SwapElements(&message, field, at, size - 1);
            r->RemoveLast(&message, field);
    }
}

}  // namespace

void mutate(Message& message, Dice& dice) {
    std::vector<Message*> all;
    collect(message, all);
    Message& at = *all[below(dice, all.size())];
    const auto* type = at.GetDescriptor();
    if (type->field_count() == 0) return;
    const auto* field = type->field(static_cast<int>(below(dice, static_cast<std::size_t>(type->field_count()))));
    if (field->is_repeated()) return change_list(at, field, dice);
    if (below(dice, 12) == 0) return at.GetReflection()->ClearField(&at, field);
    set_single(at, field, all, dice);
}

std::size_t mutate_bytes(Message& scratch, std::uint8_t* data, std::size_t size, std::size_t max_size, unsigned seed) {
    if (!scratch.ParsePartialFromArray(data, static_cast<int>(size))) scratch.Clear();
    Dice dice(seed);
    for (std::size_t changes = 1 + below(dice, 4); changes > 0; --changes) mutate(scratch, dice);
    const std::string bytes = scratch.SerializePartialAsString();
    if (bytes.size() > max_size) return size;
    std::copy(bytes.begin(), bytes.end(), data);
    return bytes.size();
}

}  // namespace pgaf::fuzz
