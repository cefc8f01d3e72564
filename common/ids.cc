#include "common/ids.h"

#include <algorithm>
#include <random>

namespace pgaf {
namespace {

bool is_valid_name(const std::string& text, std::size_t limit) {
    if (text.empty() || text.size() > limit || text.back() == '-') return false;
    if (text.front() < 'a' || text.front() > 'z') return false;
    return std::all_of(text.begin(), text.end(),
                       [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; });
}

}  // namespace

bool is_valid_cluster_name(const std::string& text) {
    return is_valid_name(text, 16);
}
bool is_valid_node_name(const std::string& text) {
    return is_valid_name(text, 24);
}

std::string random_id() {
    static constexpr char digits[] = "0123456789abcdef";
    std::random_device device;
    std::string id(16, '0');
    for (char& c : id) c = digits[device() % 16];
    return id;
}

std::string application_name(const ClusterName& cluster, const NodeName& node, const IncarnationId& incarnation) {
    return "pgaf_" + cluster.v + "_" + node.v + "_" + incarnation.v;
}

std::string slot_name(const NodeName& node) {
    std::string name = "pgaf_" + node.v;
    std::replace(name.begin(), name.end(), '-', '_');
    return name;
}

}  // namespace pgaf
