#include "monitor/fsm/carried.h"

#include <charconv>

namespace pgaf::fsm {

RecordDigest digest_of(const ClusterRecord& record) {
    // Goals go out with the commit that this step makes.
    return {{record.mark.life, record.mark.commits + 1},
            record.primary,
            record.primary_incarnation,
            record.primary_epoch,
            record.rules,
            record.floor,
            record.highest_timeline,
            record.lease_told};
}

namespace {

template <class T>
std::string setting_text(const T& value) {
    if constexpr (is_optional<T>)
        return value ? setting_text(*value) : "-";
    else if constexpr (std::same_as<T, std::string>)
        return value;
    else
        return std::to_string(value);
}

template <class T>
void read_setting(const std::string& text, T& value) {
    if constexpr (is_optional<T>) {
        if (text == "-") return value.reset();
        typename T::value_type some{};
        read_setting(text, some);
        value = some;
    } else if constexpr (std::same_as<T, std::string>) {
        value = text;
    } else {
        std::uint64_t whole = 0;
        const char* const end = text.data() + text.size();
        if (const auto parsed = std::from_chars(text.data(), end, whole); parsed.ec == std::errc{} && parsed.ptr == end)
            value = static_cast<T>(whole);
    }
}

}  // namespace

std::vector<SettingValue> carried(const Settings& settings) {
    std::vector<SettingValue> all;
    for_each_member(settings, [&](std::string_view name, const auto& value) {
        all.push_back({std::string(name), setting_text(value)});
    });
    return all;
}

void take_over(Settings& settings, const std::vector<SettingValue>& from) {
    for_each_member(settings, [&](std::string_view name, auto& value) {
        for (const SettingValue& s : from)
            if (s.name == name) read_setting(s.value, value);
    });
}

}  // namespace pgaf::fsm
